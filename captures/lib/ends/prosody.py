"""Prosody, an XMPP server; its log tells version and suite."""

import functools
import re
import subprocess

from ..process import Background

CONFIG = """
run_as_root = true
daemonize = false
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
interfaces = {{ "0.0.0.0" }}
c2s_ports = {{ {port} }}
s2s_ports = {{ {s2s_port} }}
modules_enabled = {{ "saslauth", "roster", "disco", "dialback", {tls} }}
modules_disabled = {{ "s2s_bidi" }}
c2s_require_encryption = {required}
s2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
log = {{ {{ levels = {{ min = "debug" }}, to = "console" }} }}
VirtualHost "chat.example"
  ssl = {{ certificate = "{cert}", key = "{key}", protocol = "tlsv1+", ciphers = "DEFAULT:@SECLEVEL=0", curveslist = {{ "X25519", "P-256" }} }}
"""


@functools.cache
def name():
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "prosody"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return "Prosody " + version.partition("-")[0]


def server(host, folder, cert, key, port=5222, s2s_port=5269, tls=True, required=False):
    (folder / "data").mkdir(parents=True)
    config = folder / "prosody.cfg.lua"
    config.write_text(CONFIG.format(folder=folder, cert=cert, key=key, port=port, s2s_port=s2s_port, tls='"tls"' if tls else "", required=str(required).lower()))
    return Background(host.enter("prosody", "-F", "--config", config), ready="Activated service 's2s'")


def plain(line):
    """A line of the log without its time and the session's number."""
    return re.sub(r"^\w+ \d+ [\d:]+ ", "", re.sub(r"\x1b\[[\d;]*m", "", line)).replace("\t", " ")
