"""xrdp, FreeRDP's own server, and FreeRDP's client on a screen that nobody sees."""

import functools
import re
import subprocess

from ..process import Background, run
from ..said import Said, pick

CONFIG = """
[Globals]
ini_version=1
fork=true
port=tcp://0.0.0.0:{port}
security_layer={layer}
crypt_level=high
certificate={cert}
key_file={key}
ssl_protocols={versions}
tls_ciphers=DEFAULT:@SECLEVEL=0
max_bpp=32
[Logging]
LogFile={folder}/xrdp.log
LogLevel=DEBUG
EnableSyslog=false
EnableConsole=false
[Channels]
[Xvnc]
name=Xvnc
lib=libvnc.so
username=ask
password=ask
ip=127.0.0.1
port=-1
"""


@functools.cache
def name():
    text = subprocess.run(["xrdp", "--version"], stdout=subprocess.PIPE, text=True).stdout
    client = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "freerdp2-x11"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return "xrdp " + re.search(r"xrdp ([\d.]+)", text)[1], "FreeRDP " + client.partition("+")[0]


class Xrdp(Background):
    def __init__(self, host, folder, cert, key, port=3389, layer="negotiate", versions="TLSv1, TLSv1.1, TLSv1.2, TLSv1.3"):
        folder.mkdir(parents=True)
        self.log, config = folder / "xrdp.log", folder / "xrdp.ini"
        config.write_text(CONFIG.format(folder=folder, cert=cert, key=key, port=port, layer=layer, versions=versions))
        super().__init__(host.enter("xrdp", "--nodaemon", "--config", config), ready="listening to port")

    @property
    def lines(self):
        # What it prints is held back until it ends.
        return (self.log.read_text(errors="replace").splitlines() if self.log.exists() else []) + super().lines


def shadow(host, folder, port, security):
    """FreeRDP's server, which shares a screen, and takes one kind of security alone ("rdp", "tls", "nla")."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["xvfb-run", "-a", "freerdp-shadow-cli", f"/port:{port}", f"/sec:{security}", "-auth"]
    return Background(host.enter(*words), env={"HOME": str(folder), "WLOG_LEVEL": "DEBUG"})


def read_shadow(lines):
    text = re.sub(r"^\[[^]]*\] \[[^]]*\] ", "", "\n".join(lines), flags=re.M)
    return pick(text, "server supports only", "Protocol security negotiation failure", "Protocol security: ", "rdp_server_accept_nego() fail")[:400]


def connect(client, address, port, security):
    """Connects as the user "desk", without a password, and leaves after what `/auth-only` wants."""
    local = client.next_port()
    text = run(client.enter("xvfb-run", "-a", "xfreerdp", f"/v:{address}:{port}", "/u:desk", "/p:", "/cert:ignore", f"/sec:{security}", "/tls-seclevel:0", "+auth-only",
                            "/log-level:DEBUG"), seconds=6)
    text = re.sub(r"^\[[^]]*\] \[[^]]*\] ", "", text, flags=re.M)
    return Said(text=text, line=pick(text, "selected_protocol", "ERRCONNECT", "Authentication only", "selected PROTOCOL", "NEGOTIATE", "state ")[:400], port=local)


def read(line):
    found = re.search(r"(TLSv\S+) with cipher (\S+)", line)
    return Said(text=line, line=plain(line), version=found and found[1], cipher=found and found[2])


def plain(line):
    return re.sub(r"^\[[^]]*\] ?", "", line)
