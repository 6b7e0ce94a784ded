"""Teredo, by Miredo."""

import re
import time

from ..lab import scenario
from ..network import sh
from ..process import Background
from .encapsulations import Web


@scenario("teredo.pcap", "Teredo by Miredo, a client behind no NAT and a relay that is the web server: TLS 1.0, 1.2 and 1.3 over IPv6")
def teredo(lab):
    network = lab.network()
    # Miredo wants a server with two addresses in a row, and public ones throughout.
    switchboard = network.host("teredo", "203.0.113.1/24", "2001:db8:ff::5/64")
    switchboard.sh("ip", "addr", "add", "203.0.113.2/24", "dev", "eth0")
    client, relay = network.host("client", "203.0.113.10/24"), network.host("server", "203.0.113.20/24", "2001:db8:ff::1/64")
    switchboard.sh("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    lab.truth.uses("Miredo " + re.search(r"(\d[\d.]+)", sh("miredo", "--version"))[1])
    for host, program, config in (
        (switchboard, "miredo-server", "ServerBindAddress 203.0.113.1\nServerBindAddress2 203.0.113.2\n"),
        (relay, "miredo", "RelayType cone\nInterfaceName teredo\n"),
        (client, "miredo", "RelayType client\nInterfaceName teredo\nServerAddress 203.0.113.1\nServerAddress2 203.0.113.2\n"),
    ):
        path = lab.folder / f"{host.name}.conf"
        path.write_text(config)
        lab.start(Background(host.enter(program, "-f", "-c", path, "-p", lab.folder / f"{host.name}.pid")))
    address = given(client)
    web = Web(lab, client, relay)
    with lab.record(filter="udp"):
        for _ in range(3):
            web.connect(address, "2001:db8:ff::1", tunnel=["teredo"])


def given(client, seconds=30):
    """The client's Teredo address (RFC 4380 §4: 2001:0000::/32)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = re.search(r"inet6 (2001:0:[0-9a-f:]+)/32 ", client.sh("ip", "-6", "addr", "show", "dev", "teredo", check=False))
        if found:
            return found[1]
        time.sleep(0.2)
    raise RuntimeError(f"no Teredo address:\n{client.sh('ip', 'addr')}")
