"""VNC: TigerVNC's server, which is a display of its own, and its viewer on a screen that nobody sees; x11vnc and gtk-vnc's viewer."""

import functools
import re
import subprocess

from ..process import Background, run
from ..said import Said, pick

VERSIONS = {"TLS 1.0": "TLS1.0", "TLS 1.1": "TLS1.1", "TLS 1.2": "TLS1.2", "TLS 1.3": "TLS1.3"}
ALL = "NORMAL:+VERS-TLS1.0:+VERS-TLS1.1"
SECRET = "secret-of-the-test"


@functools.cache
def name():
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "tigervnc-standalone-server"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return "TigerVNC " + version.partition("+")[0] + " on GnuTLS"


def server(host, folder, cert, key, port, types, priority=ALL):
    """A display that offers the security `types`, in its own words ("X509None,VncAuth")."""
    folder.mkdir(parents=True, exist_ok=True)
    password = folder / "password"
    password.write_bytes(subprocess.run(["tigervncpasswd", "-f"], input=SECRET[:8].encode(), stdout=subprocess.PIPE, check=True).stdout)
    return Background(host.enter("Xtigervnc", f":{port - 5800}", "-rfbport", port, "-SecurityTypes", types, "-X509Cert", cert, "-X509Key", key, "-GnuTLSPriority", priority,
                                 "-PasswordFile", password, "-localhost=0", "-geometry", "64x48", "-Log", "*:stderr:100"), ready="created VNC server")


def view(client, folder, address, port, types, ca, only=None, seconds=3):
    """Looks at the display for some seconds; the viewer would stay for ever."""
    priority = f"NORMAL:-VERS-ALL:+VERS-{VERSIONS[only]}" if only else ALL
    local = client.next_port()
    words = ["xtigervncviewer", "-SecurityTypes", types, "-X509CA", ca, "-GnuTLSPriority", priority, "-Log", "*:stderr:100", f"{address}::{port}"]
    text = run(client.enter("xvfb-run", "-a", *words), seconds=seconds, env={"HOME": str(folder), "VNC_USERNAME": "desk", "VNC_PASSWORD": SECRET})
    return read(text, local)


def read(text, port=None):
    """What either end logs of one connection."""
    text = re.sub(r"\n {14}", " ", text)  # It breaks its lines.
    line = pick(text, "Choosing security type", "requests security type", "handshake completed", "handshake failed", "No matching security", "No supported security", "Authentication success",
                "Authentication fail", "AuthFailure", "invalid", "Unexpected", "fatal alert", "initialisation done")
    found = re.search(r"handshake completed with \(([A-Z.\d]+)\)", text)
    return Said(text=text, line=re.sub(r" +", " ", line)[:500], version=found and found[1], port=port)


def log(server_, seen):
    return read("\n".join(server_.lines[seen:]))


OPENSSL_CONF = "openssl_conf = top\n[top]\nssl_conf = ssl\n[ssl]\nsystem_default = any\n[any]\nCipherString = ALL:aNULL:@SECLEVEL=0\nMinProtocol = TLSv1\nMaxProtocol = TLSv1.2\n"


@functools.cache
def other_names():
    def version(package):
        return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], stdout=subprocess.PIPE, text=True, check=True).stdout.partition("-")[0]

    return "x11vnc " + version("x11vnc") + " on OpenSSL", "gtk-vnc " + version("gvncviewer") + " on GnuTLS"


def x11vnc(host, folder, cert, key, port, *options, anonymous=False):
    """A screen shared by x11vnc; `anonymous`: it may use keys without certificates, which OpenSSL minds else."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "both.pem").write_text(key.read_text() + cert.read_text())
    (folder / "openssl.cnf").write_text(OPENSSL_CONF)
    env = {"HOME": str(folder), **({"OPENSSL_CONF": str(folder / "openssl.cnf")} if anonymous else {})}
    words = ["xvfb-run", "-a", "x11vnc", "-rfbport", port, "-ssl", folder / "both.pem", *options, "-forever", "-shared", "-noxdamage", "-nopw"]
    return Background(host.enter(*words), env=env)


def gtk_view(client, folder, address, port, seconds=4):
    local = client.next_port()
    text = run(client.enter("xvfb-run", "-a", "gvncviewer", f"{address}:{port - 5900}", "--gtk-vnc-debug"), seconds=seconds, env={"HOME": str(folder)})
    text = re.sub(r"^\(gvncviewer:\d+\): gtk-vnc-DEBUG: [\d:.]+: \.\./src/\w+\.c ", "", text, flags=re.M)
    return Said(text=text, line=pick(text, "Choose auth", "Choose auth type", "Handshake done", "Error: ")[:400], port=local)


def x11vnc_log(lines):
    text = re.sub(r"^\d\d/\d\d/\d{4} [\d:]+ ", "", "\n".join(lines), flags=re.M)
    found = re.search(r"Cipher: (TLSv\S+) (\S+)", text)
    return Said(text=text, line=pick(text, "check_vnc_tls_mode: reply", "client selected sub-type", "Cipher: ", "SSL: error")[:400], version=found and found[1], cipher=found and found[2])
