"""TLS over UDP: DTLS and QUIC."""

from ..ends import gnutls, openssl, quic
from ..lab import scenario
from ..process import Background, run


@scenario("dtls.pcap", "DTLS 1.0 and 1.2 by OpenSSL and GnuTLS, with and without HelloVerifyRequest")
def dtls(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), gnutls.name())
    cert, key = lab.ca.issue("www.example")
    lab.start(openssl.server(server, cert, key, "-dtls", "-listen", "-min_protocol", "DTLSv1", port=4433, www=False))
    words = ["gnutls-serv", "--udp", "-p", "5684", "--x509certfile", cert, "--x509keyfile", key, "--priority", "NORMAL:+VERS-DTLS1.0", "--echo"]
    lab.start(Background(server.enter(*words), ready="listening on"))

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
        for port, said in ((4433, s_client(4433, "-dtls1")), (4433, s_client(4433, "-dtls1_2")), (5684, s_client(5684, "-dtls1_2")),
                           (5684, gnutls_cli(5684, "DTLS1.0")), (5684, gnutls_cli(5684, "DTLS1.2"))):
            lab.truth.add(client, server, port, said.expect(carrier="dtls", sni="www.example"), said.line, "", said.port, transport="udp")


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
