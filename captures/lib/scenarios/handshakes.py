"""What happens inside a handshake: a second hello, resumption, client certificates."""

from ..ends import gnutls, java, nginx, openssl, rustls
from ..lab import scenario
from .versions import both


@scenario("hello-retry.pcap", "HelloRetryRequest: the server wants a group that the client sent no share for; OpenSSL, GnuTLS, rustls")
def hello_retry(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), gnutls.name(), rustls.name(lab.tools), nginx.name())
    cert = lab.ca.issue("www.example", server.ip)
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*cert, extra="ssl_ecdh_curve secp384r1;")))
    modern = lab.start(rustls.server(lab.tools, server, server.ip, 8443, *cert, 2, "--groups=secp384r1"))
    with lab.record():
        for said in (openssl.connect(client, f"{server.ip}:443", "-groups", "X25519:P-384", sni="www.example"),
                     gnutls.connect(client, server.ip, 443, only="TLS 1.3", sni="www.example")):
            log = web.next_said()
            lab.truth.add(client, server, 443, both(said, log).expect(sni="www.example", hello_retry=True), said.line, log.line, said.port)
        said = rustls.connect(lab.tools, client, f"{server.ip}:8443", "www.example", lab.ca.pem)
        log = modern.wait_for("{")
        lab.truth.add(client, server, 8443, said.expect(sni="www.example", hello_retry=True), said.line, log, said.port)
        # The other way round: both know it and the share is there at once.
        said = openssl.connect(client, f"{server.ip}:443", "-groups", "P-384:X25519", sni="www.example")
        log = web.next_said()
        lab.truth.add(client, server, 443, both(said, log).expect(sni="www.example", hello_retry=False), said.line, log.line, said.port)


@scenario("resumption.pcap", "Sessions and their resumption: by session id and by ticket (TLS 1.0, 1.2), by PSK (TLS 1.3); OpenSSL, GnuTLS, Java")
def resumption(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), gnutls.name(), java.name(), nginx.name())
    cert = lab.ca.issue("www.example")
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*cert, tickets="off"), nginx.site(*cert, listen="8443", tickets="on")))

    def tell(said, log, port):
        lab.truth.add(client, server, port, both(said, log).expect(sni="www.example"), said.line, log.line, log.port)

    with lab.record():
        for version, port in (("TLS 1.0", 443), ("TLS 1.2", 443), ("TLS 1.2", 8443), ("TLS 1.3", 8443)):
            session = lab.folder / f"session-{port}-{version}"
            for option in ("-sess_out", "-sess_in"):
                said = openssl.connect(client, f"{server.ip}:{port}", option, session, only=version, sni="www.example")
                tell(said, web.next_said(), port)
        for version in ("TLS 1.2", "TLS 1.3"):
            for said in gnutls.connect_twice(client, server.ip, 8443, only=version, sni="www.example"):
                lab.truth.add(client, server, 8443, said.expect(sni="www.example"), said.line)
            web.next_said()  # The second connection's request, so that the log's reader is past it.
        for said in java.connect(lab.tools, client, f"{server.ip}:443", "TLSv1.2", sni="www.example", session=2):
            tell(said, web.next_said(), 443)


@scenario("client-certificates.pcap", "Client certificates: not requested, requested and none sent, sent (TLS 1.0, 1.2), mutual TLS 1.3")
def client_certificates(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), gnutls.name(), nginx.name())
    cert = lab.ca.issue("www.example")
    own, key = lab.ca.issue("client.example")
    ask = f"ssl_client_certificate {lab.ca.pem}; ssl_verify_client optional;"
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*cert), nginx.site(*cert, listen="8443", extra=ask)))

    def tell(said, port, certificate):
        log = web.next_said()
        lab.truth.add(client, server, port, both(said, log).expect(sni="www.example", client_certificate=certificate), said.line, log.line, said.port)

    with lab.record():
        target = f"{server.ip}:8443"
        tell(openssl.connect(client, f"{server.ip}:443", only="TLS 1.2", sni="www.example"), 443, "not-requested")
        tell(openssl.connect(client, f"{server.ip}:443", "-cert", own, "-key", key, only="TLS 1.2", sni="www.example"), 443, "not-requested")
        tell(openssl.connect(client, target, only="TLS 1.2", sni="www.example"), 8443, "requested")
        for version in ("TLS 1.0", "TLS 1.2"):
            tell(openssl.connect(client, target, "-cert", own, "-key", key, only=version, sni="www.example"), 8443, "sent")
            tell(gnutls.connect(client, server.ip, 8443, "--x509certfile", own, "--x509keyfile", key, only=version, sni="www.example"), 8443, "sent")
        # In TLS 1.3 all of it is encrypted.
        tell(openssl.connect(client, target, "-cert", own, "-key", key, only="TLS 1.3", sni="www.example"), 8443, None)
