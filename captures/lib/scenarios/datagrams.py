"""TLS over UDP: DTLS, QUIC and RDP."""

from ..ends import gnutls, openssl, quic, rdpudp
from ..lab import scenario
from ..process import Background, run
from ..said import pick


@scenario("dtls.pcap", "DTLS 1.0 and 1.2 by OpenSSL and GnuTLS, with and without HelloVerifyRequest")
def dtls(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), gnutls.name())
    cert, key = lab.ca.issue("www.example")
    # Each serves one client and ends; with -listen it sends a HelloVerifyRequest first.
    careful = lab.start(openssl.server(server, cert, key, "-dtls", "-listen", "-min_protocol", "DTLSv1", port=4433, www=False))
    trusting = lab.start(openssl.server(server, cert, key, "-dtls", "-min_protocol", "DTLSv1", port=4434, www=False))
    words = ["stdbuf", "-oL", "gnutls-serv", "--udp", "-p", "5684", "--x509certfile", cert, "--x509keyfile", key, "--priority", "NORMAL:+VERS-DTLS1.0", "--echo"]
    gnutls_serv = lab.start(Background(server.enter(*words), ready="listening on"))

    def s_client(port, version):
        local = client.next_port()
        words = ["openssl", "s_client", "-connect", f"{server.ip}:{port}", version, "-cipher", openssl.ANY, "-servername", "www.example"]
        return openssl.read(run(client.enter(*words), stdin=[(0.8, "hello over datagrams\n"), (0.4, "Q\n")], seconds=10), local)

    def gnutls_cli(port, version):
        local = client.next_port()
        words = ["gnutls-cli", "--udp", server.ip, "-p", port, "--insecure", "--sni-hostname", "www.example", "--verify-hostname", "www.example",
                 "--priority", f"NORMAL:-VERS-ALL:+VERS-{version}"]
        return gnutls.read(run(client.enter(*words), stdin=[(0.8, "hello over datagrams\n"), (0.4, "")], seconds=10), local)

    with lab.record(filter="udp"):
        for log_of, port, client_of, version, name in (
                (careful, 4433, s_client, "-dtls1", "DTLS 1.0"), (trusting, 4434, s_client, "-dtls1_2", "DTLS 1.2"),
                (gnutls_serv, 5684, s_client, "-dtls1_2", "DTLS 1.2"), (gnutls_serv, 5684, gnutls_cli, "DTLS1.0", "DTLS 1.0"),
                (gnutls_serv, 5684, gnutls_cli, "DTLS1.2", "DTLS 1.2")):
            seen = len(log_of.lines)
            said = client_of(port, version)
            log = pick("\n".join(log_of.lines[seen:]), "CIPHER is", "- Description:", "- Ephemeral")
            lab.truth.add(client, server, port, said.expect(carrier="dtls", sni="www.example", client_max_version=name), said.line, log, said.port, transport="udp")


@scenario("quic.pcap", "QUIC v1 and v2, with Retry, and a resumed session")
def quic_versions(lab):
    client, server = lab.pair()
    lab.truth.uses(quic.name(lab.tools))
    cert = lab.ca.issue("www.example")
    plain = lab.start(quic.server(lab.tools, server, server.ip, 443, *cert))
    strict = lab.start(quic.server(lab.tools, server, server.ip, 8443, *cert, "retry"))
    ticket = lab.folder / "ticket"
    with lab.record(filter="udp"):
        for port, version, keep in ((443, "1", ticket), (443, "1", ticket), (443, "2", None), (8443, "1", None)):
            log_of = strict if port == 8443 else plain
            said = quic.connect(lab.tools, client, server.ip, port, "www.example", lab.ca.pem, version, keep)
            log = log_of.wait_for(f'"client_port": {said.port}')
            lab.truth.add(client, server, port, {**said.expectation, "sni": "www.example", "client_alpn": ["hq-interop"], "client_max_version": "TLS 1.3"},
                          said.line, log, said.port, transport="udp")


RDP = {"service": "ms-wbt-server", "service_source": "content", "upgrade": None}


def through_rdp(lab, client, server, port, version, only, seconds=20):
    """s_client through a tunnel of its own; what it said, with the tunnel's port."""
    local = client.next_port()
    with rdpudp.client(lab.tools, client, local, f"{server.ip}:{port}", version):
        return openssl.connect(client, f"127.0.0.1:{rdpudp.CLIENT_TCP}", only=only, sni="desk.example", port=local, seconds=seconds)


@scenario("rdp-udp.pcap", "RDP over UDP, reliable, versions 1, 2 and 3 of it: TLS 1.0 to 1.3, a client too old for the server; on 3389 and on another port")
def rdp_udp(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), rdpudp.name(lab.tools))
    cert = lab.ca.issue("desk.example")
    lab.start(openssl.server(server, *cert, port=rdpudp.SERVER_TCP))
    strict = lab.start(openssl.server(server, *cert, "-min_protocol", "TLSv1.2", port=6001))
    lab.start(rdpudp.server(lab.tools, server, 3389))
    lab.start(rdpudp.server(lab.tools, server, 13389, 6001))
    with lab.record(filter="udp"):
        for version, only in (("3", "TLS 1.0"), ("3", "TLS 1.2"), ("3", "TLS 1.3"), ("2", "TLS 1.0"), ("2", "TLS 1.2"), ("1", "TLS 1.1"), ("1", "TLS 1.3")):
            said = through_rdp(lab, client, server, 3389, version, only)
            lab.truth.add(client, server, 3389, said.expect(**RDP, sni="desk.example", client_max_version=only), said.line, f"version {version} of RDP over UDP",
                          said.port, transport="udp")
        for version in ("3", "2"):
            seen = len(strict.lines)
            said = through_rdp(lab, client, server, 13389, version, "TLS 1.0")
            log = pick("\n".join(strict.lines[seen:]), "unsupported protocol", "protocol version")
            refused = {"carrier": "tls", "outcome": "refused-by-server", "cause": "alert protocol_version", "negotiated_version": None, "client_max_version": "TLS 1.0"}
            lab.truth.add(client, server, 13389, {**RDP, **refused}, said.line, log, said.port, transport="udp")


@scenario("rdp-udp-lossy.pcap", "The same over a network that loses, reorders and doubles packets, recorded at the server: payloads sent again under other numbers, in versions 2 and 3")
def rdp_udp_lossy(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), rdpudp.name(lab.tools), "this project's own lossy wire")
    lab.start(openssl.server(server, *lab.ca.issue("desk.example"), port=rdpudp.SERVER_TCP))
    lab.start(rdpudp.server(lab.tools, server, 3389))
    lab.bad_network(seed=5)
    with lab.record(where="server", device="eth0", filter="udp"):
        for version in ("3", "2"):
            for only in ("TLS 1.0", "TLS 1.2", "TLS 1.3") * 2:
                said = through_rdp(lab, client, server, 3389, version, only, seconds=30)
                lab.truth.add(client, server, 3389, said.expect(**RDP, sni="desk.example", client_max_version=only), said.line,
                              f"version {version} of RDP over UDP", said.port, transport="udp")
