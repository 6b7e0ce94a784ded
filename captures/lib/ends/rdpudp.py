"""RDP over UDP by IronRDP: a tunnel through which any TLS client and server speak."""

import re

from ..process import Background

# Where the tunnel's ends meet TCP, each inside its own host.
CLIENT_TCP, SERVER_TCP = 5000, 6000


def name(tools):
    lock = (tools.clients / "rdpudp" / "Cargo.lock").read_text()
    return "ironrdp-rdpeudp " + re.search(r'name = "ironrdp-rdpeudp"\nversion = "([^"]+)"', lock)[1]


def server(tools, host, port, tcp=SERVER_TCP):
    return Background(host.enter(tools.rdpudp, "server", f"{host.ip}:{port}", tcp), ready="listening")


def client(tools, host, local_port, target, version):
    """For one connection; `version` is the one of RDP over UDP that the client offers."""
    return Background(host.enter(tools.rdpudp, "client", CLIENT_TCP, local_port, target, version), ready="listening")
