"""Captures that do not have all: one direction, no beginning, losses on the way, losses in the capture."""

import time

from .. import pcapfile
from ..ends import nginx, openssl, rustls
from ..lab import scenario
from .versions import both

CUT = "this project's own cut of a full recording"
CHATTER = tuple((0.06, f"line {n} of a long conversation\n") for n in range(30)) + ((0.4, ""),)


def one_direction(lab, of_client):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), nginx.name(), CUT)
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*lab.ca.issue("www.example"))))
    with lab.record(path=lab.folder / "full.pcap"):
        for version in ("TLS 1.0", "TLS 1.2", "TLS 1.3"):
            said = openssl.connect(client, f"{server.ip}:443", "-alpn", "h2,http/1.1", only=version, sni="www.example")
            log = web.next_said()
            if of_client:
                expect = {"carrier": "tls", "outcome": "client-hello-only", "visibility": "client-only", "negotiated_version": None,
                          "cipher_suite": None, "sni": "www.example", "client_max_version": version, "client_alpn": ["h2", "http/1.1"], "server_packets": 0}
            else:
                expect = both(said, log).expect(outcome="server-hello-only", visibility="server-only", sni=None, client_max_version=None, client_packets=0)
                for field in ("resumed", "extended_master_secret"):
                    expect.pop(field, None)  # They take both hellos to tell.
            lab.truth.add(client, server, 443, expect, said.line, log.line, said.port)
    wanted = client.ip if of_client else server.ip
    pcapfile.cut(lab.folder / "full.pcap", lab.capture, lambda p: p.source == wanted)


@scenario("client-half.pcap", "Only the clients' packets: TLS 1.0, 1.2, 1.3")
def client_half(lab):
    one_direction(lab, of_client=True)


@scenario("server-half.pcap", "Only the server's packets: TLS 1.0, 1.2, 1.3")
def server_half(lab):
    one_direction(lab, of_client=False)


@scenario("mid-stream.pcap", "Sessions of TLS 1.0, 1.1, 1.2, 1.3 without their beginning, 30 lines in either direction left")
def mid_stream(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), CUT)
    cert = lab.ca.issue("www.example")
    lab.start(openssl.server(server, *cert, "-rev", www=False))
    begins = {}
    with lab.record(path=lab.folder / "full.pcap"):
        for version in ("TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"):
            began = time.time()
            said = openssl.connect(client, f"{server.ip}:443", "-quiet", only=version, sni="www.example", stdin=((1.0, ""), *CHATTER), quiet=True)
            begins[said.port] = began + 0.8  # The handshake is long done, and the first line not yet sent.
            seen = version if version in ("TLS 1.0", "TLS 1.1") else "TLS 1.2+"
            answers = [line for line in said.text.splitlines() if line.startswith("noitasrevnoc")]
            lab.truth.add(client, server, 443, {
                "carrier": "tls", "outcome": "joined-mid-stream", "negotiated_version": seen, "negotiated_source": "record-layer", "mid_stream": True,
                "cipher_suite": None, "sni": None, "client_max_version": None},
                f"s_client {openssl.VERSION_OPTION[version]}: {len(answers)} lines came back reversed, the first: {answers[0]}", "s_server -rev", said.port)
    pcapfile.cut(lab.folder / "full.pcap", lab.capture, lambda p: p.seconds > begins[next(port for port in p.ports if port != 443)])


@scenario("lossy-network.pcap", "A network that loses, reorders and doubles packets; the endpoints repair it. Recorded at the server: TLS 1.0, 1.2, 1.3, post-quantum hello")
def lossy_network(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), rustls.name(lab.tools), nginx.name(), "this project's own lossy wire")
    cert = lab.ca.issue("www.example", server.ip)
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*cert)))
    lab.bad_network(seed=4)
    with lab.record(where="server", device="eth0"):
        for _ in range(3):
            for version in ("TLS 1.0", "TLS 1.2", "TLS 1.3"):
                said = openssl.connect(client, f"{server.ip}:443", only=version, sni="www.example", stdin=((1.5, openssl.HTTP), (1.5, "")), seconds=30)
                log = web.next_said(20)
                lab.truth.add(client, server, 443, both(said, log).expect(sni="www.example", client_max_version=version), said.line, log.line, said.port)
            said = rustls.connect(lab.tools, client, f"{server.ip}:443", "www.example", lab.ca.pem)
            log = web.next_said(20)
            lab.truth.add(client, server, 443, both(said, log).expect(sni="www.example", client_max_version="TLS 1.3"), said.line, log.line, said.port)


@scenario("lossy-capture.pcap", "Packets that the endpoints had and the capture has not: half of a ClientHello, a ServerHello, a packet of data")
def lossy_capture(lab):
    client, server = lab.pair()
    lab.truth.uses(rustls.name(lab.tools), openssl.name(), nginx.name(), CUT)
    cert = lab.ca.issue("www.example", server.ip)
    big = 'default_type text/plain; return 200 "' + "0123456789abcdef" * 250 + '";'
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*cert, location=big)))
    lost = {}  # client port: which packets with payload are left out, counted by direction

    def tell(said, from_client, from_server, expect):
        log = web.next_said()
        lost[said.port] = {client.ip: from_client, server.ip: from_server}
        lab.truth.add(client, server, 443, expect(both(said, log)), said.line, log.line, said.port,
                      left_out=f"client's packets with payload {sorted(from_client)}, server's {sorted(from_server)}, counted from 1")

    def rustls_client():
        return rustls.connect(lab.tools, client, f"{server.ip}:443", "www.example", lab.ca.pem)

    def s_client(version):
        return openssl.connect(client, f"{server.ip}:443", only=version, sni="www.example")

    with lab.record(path=lab.folder / "full.pcap"):
        tell(rustls_client(), {2}, set(), lambda s: {"carrier": "tls", "negotiated_version": "TLS 1.3", "negotiated_source": "server-hello",
                                                     "cipher_suite": s.expect()["cipher_suite"]})
        tell(rustls_client(), {1}, set(), lambda s: {"negotiated_version": "TLS 1.3", "negotiated_source": "server-hello", "cipher_suite": s.expect()["cipher_suite"]})
        tell(s_client("TLS 1.2"), set(), {1}, lambda s: {"carrier": "tls", "sni": "www.example", "client_max_version": "TLS 1.2", "cipher_suite": None})
        tell(s_client("TLS 1.0"), set(), {1}, lambda s: {"carrier": "tls", "sni": "www.example", "client_max_version": "TLS 1.0", "cipher_suite": None})
        tell(s_client("TLS 1.2"), set(), {2}, lambda s: s.expect(sni="www.example", client_max_version="TLS 1.2"))
        tell(s_client("TLS 1.2"), {2}, {4}, lambda s: s.expect(sni="www.example", client_max_version="TLS 1.2"))
        tell(s_client("TLS 1.3"), set(), {3, 4}, lambda s: s.expect(sni="www.example", client_max_version="TLS 1.3"))
    counts = {}

    def keep(packet):
        if not packet.payload:
            return True
        port = next(p for p in packet.ports if p != 443)
        number = counts[port, packet.source] = counts.get((port, packet.source), 0) + 1
        return number not in lost[port][packet.source]

    pcapfile.cut(lab.folder / "full.pcap", lab.capture, keep)
