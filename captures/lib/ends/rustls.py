"""rustls with aws-lc-rs: post-quantum key exchange."""

import json
import re

from ..process import Background, run
from ..said import Said


def name(tools):
    lock = (tools.clients / "rustls" / "Cargo.lock").read_text()
    return "rustls " + re.search(r'name = "rustls"\nversion = "([^"]+)"', lock)[1] + " with aws-lc-rs"


def connect(tools, client, target, sni, ca, *options):
    port = client.next_port()
    said = read(run(client.enter(tools.rustls, "client", target, sni, ca, *options)).strip().splitlines()[-1])
    said.port = port
    return said


def server(tools, host, address, port, cert, key, count, *options):
    return Background(host.enter(tools.rustls, "server", f"{address}:{port}", cert, key, count, *options), ready="listening")


def read(line, by_server=False):
    if not line.startswith("{"):
        return Said(text=line, line=line)
    entry = json.loads(line)
    client = entry.get("remote" if by_server else "local", "")
    resumed = {"Resumed": True, "Full": False, "FullWithHelloRetryRequest": False}.get(entry.get("handshake"))
    return Said(text=line, line=line, version=entry.get("version"), cipher=entry.get("suite"), group=entry.get("group"),
                alpn=entry.get("alpn") or None, resumed=resumed, port=int(client.rpartition(":")[2]) if client else None)
