"""What the captures are made with, and its installation."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import machine

PACKAGES = {  # a program that tells whether it is there: Debian's package
    "ip": "iproute2", "tcpdump": "tcpdump", "ethtool": "ethtool", "dumpcap": "wireshark-common", "editcap": "wireshark-common",
    "tshark": "tshark", "openssl": "openssl", "gnutls-cli": "gnutls-bin", "curl": "curl", "swaks": "swaks", "nginx": "nginx-light",
    "postfix": "postfix", "dovecot": "dovecot-core", "/usr/lib/dovecot/imap-login": "dovecot-imapd",
    "/usr/lib/dovecot/pop3-login": "dovecot-pop3d", "javac": "openjdk-17-jdk-headless", "chromium": "chromium", "zstd": "zstd", "sysctl": "procps",
    "slapd": "slapd", "ldapsearch": "ldap-utils", "/usr/lib/postgresql/15/bin/postgres": "postgresql-15", "psql": "postgresql-client-15",
    "tinyproxy": "tinyproxy", "prosody": "prosody", "mariadbd": "mariadb-server", "mariadb": "mariadb-client", "inspircd": "inspircd",
    "/usr/lib/dovecot/managesieve-login": "dovecot-managesieved", "/usr/lib/dovecot/lmtp": "dovecot-lmtpd", "haproxy": "haproxy", "danted": "dante-server",
    "cupsd": "cups-daemon", "ipptool": "cups-ipp-utils", "xrdp": "xrdp", "xfreerdp": "freerdp2-x11", "freerdp-shadow-cli": "freerdp2-shadow-x11", "xvfb-run": "xvfb", "tsql": "freetds-bin", "cc": "gcc",
    "Xtigervnc": "tigervnc-standalone-server", "tigervncpasswd": "tigervnc-tools", "xtigervncviewer": "tigervnc-viewer", "x11vnc": "x11vnc", "gvncviewer": "gvncviewer", "ss": "iproute2",
    "/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server", "amqp-publish": "amqp-tools", "/usr/lib/python3/dist-packages/proton": "python3-qpid-proton",
    "pgbouncer": "pgbouncer", "krb5kdc": "krb5-kdc", "kadmin.local": "krb5-admin-server", "kinit": "krb5-user", "squid": "squid", "kamailio": "kamailio", "/usr/lib/x86_64-linux-gnu/kamailio/modules/tls.so": "kamailio-tls-modules", "kermit": "ckermit", "s3270": "s3270",
    "/usr/share/java/okhttp.jar": "libokhttp-java", "links": "links",
    "freeradius": "freeradius", "eapol_test": "eapoltest", "hostapd": "hostapd", "wpa_supplicant": "wpasupplicant",
    "pppd": "ppp", "pppoe-server": "pppoe", "xl2tpd": "xl2tpd", "pptpd": "pptpd", "pptp": "pptp-linux", "osmo-ggsn": "osmo-ggsn", "iw": "iw", "iptables": "iptables", "miredo": "miredo", "miredo-server": "miredo-server",
    "qemu-system-x86_64": "qemu-system-x86", "busybox": "busybox-static", "cpio": "cpio", "modprobe": "kmod",
    # What the unpacked ones are linked with.
    "/usr/lib/x86_64-linux-gnu/libgnutls-dane.so.0": "libgnutls-dane0", "/usr/lib/x86_64-linux-gnu/libsasl2.so.2": "libsasl2-2",
    "/usr/lib/x86_64-linux-gnu/libcanlock.so.3": "libcanlock3", "/usr/lib/x86_64-linux-gnu/libperl.so.5.36": "libperl5.36",
    "/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0": "libpython3.11",
     "vsftpd": "vsftpd",
    "/usr/lib/x86_64-linux-gnu/perl5/5.36/Net/SSLeay.pm": "libnet-ssleay-perl",
}
# Packages that would throw others off the machine or start what the captures have no use for: unpacked, not installed.
UNPACK = {"exim4-daemon-light": "usr/sbin/exim4", "inn2": "usr/lib/news/bin/nnrpd",
          "telnet-ssl": "usr/bin/telnet-ssl", "telnetd-ssl": "usr/sbin/in.telnetd"}
PIP = ["tlslite-ng==0.8.2", "aioquic==1.7.2"]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "/var/cache")) / "hellotap-captures"
UNPACKED = CACHE / "unpacked"


class Tools:
    """Paths of what was installed."""

    def __init__(self, captures):
        self.captures, self.clients, self.cache = captures, captures / "clients", CACHE
        self.python = str(CACHE / "venv" / "bin" / "python")
        self.rustls = str(CACHE / "rustls" / "release" / "rustls-ends")
        self.rdpudp = str(CACHE / "rdpudp" / "release" / "rdpudp-tunnel")

    def install(self):
        CACHE.mkdir(parents=True, exist_ok=True)
        self._debian()
        self._unpack()
        self._python()
        self._rust()

    def machine(self):
        """The virtual machine with Debian's kernel."""
        return machine.unpacked(CACHE / "kernel")

    def _debian(self):
        missing = sorted({package for program, package in PACKAGES.items() if not (Path(program).exists() or shutil.which(program))})
        if missing:
            quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
            # Where the init system minds it, RUNLEVEL=1 keeps the packages' own services from starting: ours run in namespaces.
            subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], check=True, env={**quiet, "RUNLEVEL": "1"})

    def _unpack(self):
        UNPACKED.mkdir(exist_ok=True)
        for package, program in UNPACK.items():
            if not (UNPACKED / program).exists():
                with tempfile.TemporaryDirectory() as folder:
                    subprocess.run(["apt-get", "download", "-qq", package], check=True, cwd=folder)
                    subprocess.run(["dpkg-deb", "-x", next(Path(folder).glob("*.deb")), UNPACKED], check=True)
        if subprocess.run(["getent", "passwd", "Debian-exim"], stdout=subprocess.DEVNULL).returncode:
            subprocess.run(["useradd", "--system", "--user-group", "--shell", "/usr/sbin/nologin", "Debian-exim"], check=True)

    def _python(self):
        if not Path(self.python).exists():
            subprocess.run(["python3", "-m", "venv", str(CACHE / "venv")], check=True)
        subprocess.run([self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PIP], check=True)

    def _rust(self):
        for client in ("rustls", "rdpudp"):
            subprocess.run(["cargo", "build", "-q", "--release", "--locked"], check=True, cwd=self.clients / client,
                           env={**os.environ, "CARGO_TARGET_DIR": str(CACHE / client)})
