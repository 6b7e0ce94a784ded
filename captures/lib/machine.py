"""A virtual machine for what the kernel at hand has not: Debian's own kernel under QEMU, with this machine's files.

Not every kernel has every tunnel. A scenario that names `modules` is made where they are: the guest
mounts the host's files, loads the modules, and runs `make --here` of that one capture. It has no
network but the namespaces that the scenario makes in it.
"""

import gzip
import os
import subprocess
import tempfile
from pathlib import Path

MODULES = "veth bridge tun dummy"  # what each scenario needs
FILE_SYSTEM = "9pnet_virtio 9p virtio_pci"  # what the guest needs to reach the host's files
DONE = "machine: done"

# Runs before the host's files are there, so busybox is all it has. What follows `--` on the kernel's command line are its words.
INIT = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs none /dev
for module in /modules/*; do /bin/busybox insmod $module; done
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=262144 host /root || /bin/busybox poweroff -f
/bin/busybox umount /dev
exec /bin/busybox switch_root /root /bin/bash "$@"
"""


class Machine:
    """Debian's kernel as unpacked in `kernel` (holding `boot` and `lib/modules`)."""

    def __init__(self, kernel):
        self.kernel = Path(kernel)
        self.release = next((self.kernel / "lib/modules").iterdir()).name

    def make(self, make, file, modules, seconds=600):
        """Makes one capture in there; True if it was made."""
        with tempfile.TemporaryDirectory(prefix="hellotap-machine-", dir="/var/tmp") as folder:
            initrd = Path(folder) / "initrd.gz"
            initrd.write_bytes(self._initrd(Path(folder) / "root"))
            guest = Path(__file__).with_name("guest.sh")
            words = f"console=ttyS0 quiet loglevel=1 panic=-1 -- {guest} {self.kernel} {make} {file} {MODULES} {modules}"
            # Emulated throughout: where this runs may be a virtual machine itself.
            done = subprocess.run(
                ["timeout", str(seconds), "qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-m", "1536", "-smp", "1", "-nographic", "-no-reboot", "-nic", "none",
                 "-kernel", str(self.kernel / "boot" / f"vmlinuz-{self.release}"), "-initrd", str(initrd), "-append", words,
                 "-virtfs", "local,path=/,mount_tag=host,security_model=none,multidevs=remap"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        said = done.stdout.partition("machine: up")[2] or done.stdout
        lines = [line for line in said.replace("\r", "").split("\n") if line and not line.startswith("[")]  # The kernel's own begin so.
        print("\n".join(line for line in lines if line != DONE), flush=True)
        return DONE in lines

    def _initrd(self, root):
        for folder in ("bin", "dev", "root", "modules"):
            (root / folder).mkdir(parents=True)
        (root / "bin/busybox").write_bytes(Path("/bin/busybox").read_bytes())
        (root / "bin/busybox").chmod(0o755)
        (root / "init").write_text(INIT)
        (root / "init").chmod(0o755)
        for number, module in enumerate(self._files(FILE_SYSTEM)):
            (root / "modules" / f"{number:02}.ko").write_bytes(Path(module).read_bytes())
        names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
        archive = subprocess.run(["cpio", "--create", "--format=newc", "--quiet"], input=names.encode(), stdout=subprocess.PIPE, cwd=root, check=True)
        return gzip.compress(archive.stdout, 1)

    def _files(self, modules):
        """The modules' files and those that they need, in the order of loading."""
        lines = []
        for module in modules.split():
            lines += subprocess.run(["modprobe", "-d", str(self.kernel), "-S", self.release, "--show-depends", module],
                                    stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        return dict.fromkeys(line.split()[1] for line in lines if line.startswith("insmod"))


def unpacked(folder):
    """Debian's kernel in `folder`, fetched and unpacked there where it is not."""
    if not (folder / "lib/modules").exists():
        depends = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], stdout=subprocess.PIPE, text=True, check=True).stdout
        package = depends.partition("Depends: ")[2].split()[0]
        with tempfile.TemporaryDirectory() as downloads:
            subprocess.run(["apt-get", "download", "-qq", package], check=True, cwd=downloads)
            subprocess.run(["dpkg-deb", "-x", next(Path(downloads).glob("*.deb")), folder], check=True)
        release = os.listdir(folder / "lib/modules")[0]
        subprocess.run(["depmod", "-b", str(folder), release], check=True)
    return Machine(folder)
