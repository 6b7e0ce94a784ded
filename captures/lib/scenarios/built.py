"""What no software at hand sends: recorded connections, each put into one more header by the builder (`wrapping.py`)."""

from .. import pcapfile, wrapping
from ..ends import nginx, openssl
from ..lab import scenario
from ..network import sh
from .encapsulations import VERSIONS
from .versions import both


def wrapped(lab, carriers):
    network = lab.network()
    # Of the range for documentation: whether a pseudowire has a control word shows in nothing but the addresses behind it.
    client, server = network.host("client", "10.20.0.10/24", mac="00:00:5e:00:53:0a"), network.host("server", "10.20.0.1/24", mac="00:00:5e:00:53:01")
    lab.truth.uses(openssl.name(), nginx.name(), "this project's own packet builder")
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*lab.ca.issue("www.example"))))
    plain, ports = lab.folder / "plain.pcap", []
    with lab.record(path=plain, filter="tcp port 443"):
        for number, carrier in enumerate(carriers):
            version = VERSIONS[number % len(VERSIONS)]
            said = openssl.connect(client, f"{server.ip}:443", only=version, sni="www.example", stdin=((0.2, openssl.HTTP), (0.2, "")))
            log = web.next_said()
            lab.truth.add(client, server, 443, both(said, log).expect(sni="www.example", client_max_version=version, tunnel=carrier.tunnel),
                          said.line, log.line, said.port, carried_by=carrier.name)
            ports.append(said.port)
    _, packets = pcapfile.read(plain)
    parts = [(carrier, [p for p in packets if port in p.ports]) for carrier, port in zip(carriers, ports)]
    wrapping.write(lab.capture, parts)
    check(lab.capture, zip(carriers, ports))


def check(capture, carriers):
    """That tshark finds both hellos of each connection, at its port, behind what was built."""
    found = sh("tshark", "-r", capture, "-o", "capwap.swap_fc:FALSE", "-Y", "tls.handshake.type == 1 || tls.handshake.type == 2", "-T", "fields", "-e", "tcp.port", "-e", "tls.handshake.type")
    lines = [line for line in found.splitlines() if "\t" in line]
    missed = []
    for carrier, port in carriers:
        kinds = {kind for line in lines if str(port) in line.split("\t")[0].split(",") for kind in line.split("\t")[1].split(",")}
        if not {"1", "2"} <= kinds:
            missed.append(carrier.name)
    if missed:
        raise RuntimeError(f"tshark does not see both hellos behind: {', '.join(missed)}")


@scenario("built-tunnels.pcapng", "Tunnels and tags that no software at hand sends, around recorded connections with TLS 1.0, 1.2 and 1.3: " + ", ".join(carrier.name for carrier in wrapping.TUNNELS))
def built_tunnels(lab):
    wrapped(lab, wrapping.TUNNELS)


@scenario("built-links.pcapng", "Link types that no software at hand gives, around recorded connections with TLS 1.0, 1.2 and 1.3: " + ", ".join(carrier.name for carrier in wrapping.LINKS))
def built_links(lab):
    wrapped(lab, wrapping.LINKS)
