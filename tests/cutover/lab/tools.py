"""Installs what the laboratory runs: Debian's packages, Python's in an environment of their own, and its own programs."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

PACKAGES = {  # a program that tells whether it is there: Debian's package
    "ip": "iproute2", "tcpdump": "tcpdump", "ethtool": "ethtool", "openssl": "openssl", "gnutls-cli": "gnutls-bin", "tstclnt": "libnss3-tools", "curl": "curl",
    "wget": "wget", "swaks": "swaks", "nginx": "nginx-light", "postfix": "postfix", "dovecot": "dovecot-core", "/usr/lib/dovecot/imap-login": "dovecot-imapd",
    "javac": "openjdk-17-jdk-headless", "chromium": "chromium", "go": "golang-go", "node": "nodejs", "python3": "python3-venv",
    "botan": "botan", "erlc": "erlang-base", "cc": "gcc", "ss": "iproute2", "sysctl": "procps",
}
LIBRARIES = ["libnet-ssleay-perl", "erlang-ssl", "libmbedtls-dev", "libc6-dev", "libidn12", "libgnutls-dane0", "libdb5.3", "libpcre2-8-0"]
PIP = ["tlslite-ng==0.8.2"]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "/var/cache")) / "hellotap-cutover"
PROGRAMS = Path(__file__).with_name("programs")


class Tools:
    """Paths of what was installed."""

    def __init__(self):
        self.lock = CACHE / "lock"
        self.python = CACHE / "venv" / "bin" / "python"
        self.java_classes = CACHE / "java"
        self.go_program = CACHE / "ends-go"
        self.mbedtls_program = CACHE / "ends-mbedtls"
        self.exim = CACHE / "exim" / "usr" / "sbin" / "exim4"

    @property
    def exim_user(self):
        user = pwd.getpwnam("Debian-exim")
        return user.pw_uid, user.pw_gid

    def install(self):
        CACHE.mkdir(parents=True, exist_ok=True)
        missing = sorted({package for program, package in PACKAGES.items() if not (Path(program).exists() or shutil.which(program))})
        missing += [package for package in LIBRARIES if subprocess.run(["dpkg-query", "-W", package], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode]
        if missing:
            debian(*missing)
        if not self.python.exists():
            subprocess.run(["python3", "-m", "venv", str(CACHE / "venv")], check=True)
            subprocess.run([self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PIP], check=True)
        self._exim()
        subprocess.run(["javac", "-d", str(self.java_classes), *map(str, PROGRAMS.glob("*.java"))], check=True)
        subprocess.run(["cc", "-O1", "-o", str(self.mbedtls_program), str(PROGRAMS / "mbedtls_ends.c"), "-lmbedtls", "-lmbedx509", "-lmbedcrypto"], check=True)
        # The standard library only: nothing is fetched.
        subprocess.run(["go", "build", "-o", str(self.go_program), str(PROGRAMS / "ends.go")], check=True, env={**os.environ, "GOFLAGS": "-mod=mod", "GO111MODULE": "off"})

    def _exim(self):
        """Exim is unpacked beside Postfix: as installed packages each of the two puts the other out."""
        if not self.exim.exists():
            with tempfile.TemporaryDirectory() as folder:
                os.chmod(folder, 0o777)  # apt fetches as a user of its own.
                fetch = ["apt-get", "download", "-qq", "exim4-daemon-light"]
                if subprocess.run(fetch, cwd=folder).returncode:
                    subprocess.run(["apt-get", "update", "-qq"], check=True)
                    subprocess.run(fetch, check=True, cwd=folder)
                package, = Path(folder).glob("*.deb")
                subprocess.run(["dpkg", "-x", str(package), str(CACHE / "exim")], check=True)
        try:
            pwd.getpwnam("Debian-exim")
        except KeyError:
            # The program looks for the user that it was built for.
            subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", "Debian-exim"], check=True)


def debian(*packages):
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
    # Where the init system minds it, RUNLEVEL=1 keeps the packages' own services from starting: ours run in namespaces.
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], check=True, env={**quiet, "RUNLEVEL": "1"})
