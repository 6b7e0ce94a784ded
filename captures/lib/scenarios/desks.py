"""Remote desktops, and databases of Microsoft's: RDP, VNC, TDS."""

import time

from ..ends import line_client, rdp, tds, vnc
from ..lab import scenario
from .mail import VERSIONS, failed, in_clear, left, upgraded
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


@scenario("rdp-refused.pcap", "RDP by FreeRDP at FreeRDP's server that takes one kind of security alone: TLS not allowed, CredSSP required, TLS required of a client that asks for none; and upgraded")
def desktops_refused(lab):
    client, server = lab.pair()
    lab.truth.uses(rdp.name()[1])
    cases = ((3390, "rdp", "tls", in_clear("ms-wbt-server", "refused", **IDLE, **NONE)), (3391, "nla", "tls", in_clear("ms-wbt-server", "refused", **IDLE, **NONE)),
             (3392, "tls", "rdp", in_clear("ms-wbt-server", "not-requested", **IDLE, **NONE)),
             (3393, "tls", "tls", upgraded("ms-wbt-server", carrier="tls", outcome="negotiated")))
    with lab.record():
        for port, takes, wants, expect in cases:
            with rdp.shadow(server, lab.folder / "home", port, takes) as there:
                wait_for_listener(server, port)
                said = rdp.connect(client, server.ip, port, wants)
                log = rdp.read_shadow(there.lines)
            lab.truth.add(client, server, port, {**expect, "client_name": "desk"}, said.line, log, said.port)


def wait_for_listener(host, port, seconds=15):
    """For servers that do not say when they are ready."""
    end = time.monotonic() + seconds
    while f":{port} " not in host.sh("ss", "-tln"):
        if time.monotonic() > end:
            raise RuntimeError(f"nobody listens on port {port}")
        time.sleep(0.1)


class Displays:
    """Displays of one host, by their ports, and a viewer on another."""

    def __init__(self, lab, ports):
        self.lab, (self.client, self.server) = lab, lab.pair()
        lab.truth.uses(vnc.name(), line_client.name(lab.tools))
        cert = lab.ca.issue("vnc.example")
        self.ports = {port: lab.start(vnc.server(self.server, lab.folder / f"display-{port}", *cert, port, *how)) for port, how in ports.items()}

    def view(self, port, types, expect, only=None):
        seen = len(self.ports[port].lines)
        said = vnc.view(self.client, self.lab.folder, self.server.ip, port, types, self.lab.ca.pem, only)
        self._add(port, said.expect(**expect), said, seen)

    def talk(self, port, expect, *steps):
        seen = len(self.ports[port].lines)
        said = line_client.session(self.lab.tools, self.client, self.server.ip, port, "<^RFB 003.008\\n", r">>RFB 003.008\n", "<\\x01\\x13", *steps)
        self._add(port, expect, said, seen)

    def _add(self, port, expect, said, seen):
        # What the project's own client says is of bytes, which the server's log tells in words.
        line = said.line if "{" not in said.line else "RFB 003.008"
        self.lab.truth.add(self.client, self.server, port, {**expect, "server_name_banner": "RFB 003.008"}, line, vnc.log(self.ports[port], seen).line, said.port)


@scenario("vnc.pcap", "VNC by TigerVNC, VeNCrypt: certificates at TLS 1.0 to 1.3, without one, a password in TLS; offered and unused, not offered, a password in the clear, TLS accepted and not begun")
def vnc_displays(lab):
    displays = Displays(lab, {5900: ("X509None,TLSNone,TLSPlain,VncAuth,None",), 5901: ("VncAuth,None",), 5902: ("Plain",), 5903: ("X509None",)})
    view, talk = displays.view, displays.talk
    with lab.record():
        for version in VERSIONS:
            view(5900, "X509None", upgraded("rfb", client_max_version=version, negotiated_version=version), version)
        for types in ("TLSNone", "TLSPlain"):
            view(5900, types, upgraded("rfb", negotiated_version="TLS 1.2"), "TLS 1.2")
        view(5900, "None", in_clear("rfb", "offered-unused", **WORK, **NONE))
        # A challenge and its response.
        view(5900, "VncAuth", in_clear("rfb", "offered-unused", **WORK, **NONE))
        view(5901, "VncAuth", in_clear("rfb", "not-offered", **WORK, **NONE))
        view(5901, "X509None", in_clear("rfb", "not-offered", **IDLE, **NONE))
        view(5902, "Plain", in_clear("rfb", "not-offered", **WORK, **SECRET))  # VeNCrypt, and no TLS in it.
        talk(5903, in_clear("rfb", "offered-unused", **IDLE, **NONE))
        talk(5903, left("rfb"), r">>\x13", "<\\x00\\x02", r">>\x00\x02", "<\\x00\\x01\\x00\\x00\\x01\\x04", r">>\x00\x00\x01\x04", "<\\x01")


@scenario("vnc-tls.pcap", "VNC by gtk-vnc at x11vnc: the security type TLS, upgraded with keys that nobody vouches for, and without a common suite; VeNCrypt at TLS 1.2")
def vnc_tls(lab):
    client, server = lab.pair()
    lab.truth.uses(*vnc.other_names())
    cert = lab.ca.issue("vnc.example")
    anonymous, vencrypt = ("-vencrypt", "never", "-anontls", "force"), ("-vencrypt", "force", "-anontls", "never")
    no_suite = {**failed("rfb"), "negotiated_version": None, "outcome": "refused-by-server", "alerts": ["server fatal handshake_failure"]}
    with lab.record():
        for port, options, lax, expect in ((5910, anonymous, True, None), (5911, anonymous, False, no_suite), (5912, vencrypt, True, None)):
            with vnc.x11vnc(server, lab.folder / f"x11vnc-{port}", *cert, port, *options, anonymous=lax) as there:
                wait_for_listener(server, port)
                said = vnc.gtk_view(client, lab.folder, server.ip, port)
                log = vnc.x11vnc_log(there.lines)
            if not (expect or log.version):
                raise RuntimeError(f"no TLS: {log.text[-2000:]}")
            lab.truth.add(client, server, port, {**(expect or log.expect(**upgraded("rfb"))), "server_name_banner": "RFB 003.008"}, said.line, log.line, said.port)


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
