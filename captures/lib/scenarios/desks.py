"""Remote desktops and databases of Microsoft's protocols: RDP, TDS."""

from ..ends import rdp, tds
from ..lab import scenario
from .mail import in_clear, left, upgraded
from .upgrades import IDLE, NONE, SECRET, WORK


@scenario("rdp.pcap", "RDP by FreeRDP at xrdp: upgraded to TLS 1.0 to 1.3, not offered, not requested, TLS accepted and not begun")
def desktops(lab):
    client, server = lab.pair()
    lab.truth.uses(*rdp.name())
    cert = lab.ca.issue("rdp.example")

    def start(port, layer, versions):
        return lab.start(rdp.Xrdp(server, lab.folder / f"xrdp-{port}", *cert, port=port, layer=layer, versions=versions))

    versions = {3389: ("TLSv1.3", "TLS 1.3"), 3390: ("TLSv1.2", "TLS 1.2"), 3391: ("TLSv1.1", "TLS 1.1"), 3392: ("TLSv1", "TLS 1.0")}
    servers = {port: start(port, "negotiate", name) for port, (name, _) in versions.items()}
    servers |= {3393: start(3393, "tls", "TLSv1.2"), 3394: start(3394, "rdp", "TLSv1.2")}
    names = {"client_name": "desk"}  # RDP's cookie holds the user's name.

    def connect(port, security, expect, what="Security protocol: "):
        seen = len(servers[port].lines)
        said = rdp.connect(client, server.ip, port, security)
        log = rdp.read(servers[port].wait_for(what, after=seen))
        lab.truth.add(client, server, port, log.expect(**expect, **names), said.line, log.line, said.port)

    with lab.record():
        for port, (_, version) in versions.items():
            connect(port, "tls", upgraded("ms-wbt-server", negotiated_version=version), "with cipher")
        connect(3394, "tls", in_clear("ms-wbt-server", "not-offered", **IDLE, **NONE))
        connect(3390, "rdp", in_clear("ms-wbt-server", "not-requested", **WORK, **NONE))
        connect(3393, "rdp", in_clear("ms-wbt-server", "not-requested", **WORK, **NONE))
        # Asked for TLS with CredSSP, it does not want what xrdp picks: TLS alone.
        connect(3389, "nla", left("ms-wbt-server"))


@scenario("tds.pcap", "TDS by FreeTDS at a small server of this project's: TLS 1.0 to 1.2 in its packets, on either side's wish, not offered, not offered and left")
def databases(lab):
    client, server = lab.pair()
    lab.truth.uses(tds.name(), "this project's own TDS server on Python's ssl")
    cert = lab.ca.issue("db.example")

    def login(port, encryption, answer, expect, version="TLSv1_2"):
        with tds.server(lab.tools, server, *cert, port=port, encryption=answer, version=version) as there:
            said = tds.login(client, lab.folder, server.ip, port, encryption)
            log = tds.read(there.wait_for("{"))
        lab.truth.add(client, server, port, log.expect(**expect), said.line, log.line, said.port)

    with lab.record():
        for number, version in enumerate(("TLSv1", "TLSv1_1", "TLSv1_2")):
            login(1433 + number, "require", "on", upgraded("ms-sql-s"), version)
        login(1436, "request", "required", upgraded("ms-sql-s"))
        login(1437, "request", "off", upgraded("ms-sql-s"))
        # The password in a login packet is scrambled without a key: anybody can read it.
        login(1438, "request", "not-supported", in_clear("ms-sql-s", "not-offered", **WORK, **SECRET))
        login(1439, "require", "not-supported", in_clear("ms-sql-s", "not-offered", **IDLE, **NONE))
