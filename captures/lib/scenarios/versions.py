"""Each version of SSL and TLS, by at least two stacks each."""

from ..ends import gnutls, java, nginx, openssl, rustls, tlslite
from ..lab import scenario
from ..said import Said


def both(client_said, server_said):
    """The client's view, with what only the server's log tells."""
    merged = Said(**vars(client_said))
    for field in ("version", "cipher", "group", "alpn", "resumed"):
        if getattr(merged, field) is None:
            setattr(merged, field, getattr(server_said, field))
    if merged.resumed and merged.expect().get("negotiated_version") != "TLS 1.3":
        merged.group = None  # The server tells the group of the session's first handshake; this one had none.
    return merged


@scenario("tls-versions-openssl.pcap", "OpenSSL's client at nginx: TLS 1.0, 1.1, 1.2, 1.3, then everything offered")
def versions_openssl(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), nginx.name())
    cert = lab.ca.issue("www.example", server.ip)
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*cert)))
    with lab.record():
        for only in ("TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3", None):
            said = openssl.connect(client, f"{server.ip}:443", "-CAfile", lab.ca.pem, "-alpn", "h2,http/1.1", only=only, sni="www.example")
            log = web.next_said()
            # A server that could do more says so in its random (RFC 8446 §4.1.3), and this one can.
            lower = only in ("TLS 1.0", "TLS 1.1", "TLS 1.2")
            lab.truth.add(client, server, 443, both(said, log).expect(
                sni="www.example", client_max_version=only or "TLS 1.3", client_alpn=["h2", "http/1.1"], service="https", upgrade=None,
                downgrade_sentinel=lower, hello_retry=False),
                said.line, log.line, said.port)


@scenario("tls-versions-gnutls.pcap", "GnuTLS' client at nginx: TLS 1.0, 1.1, 1.2, 1.3")
def versions_gnutls(lab):
    client, server = lab.pair()
    lab.truth.uses(gnutls.name(), nginx.name())
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*lab.ca.issue("www.example"))))
    with lab.record():
        for only in ("TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"):
            said = gnutls.connect(client, server.ip, 443, only=only, sni="www.example")
            log = web.next_said()
            lab.truth.add(client, server, 443, both(said, log).expect(sni="www.example", client_max_version=only), said.line, log.line, said.port)


@scenario("tls-versions-java.pcap", "Java's client at nginx: TLS 1.0, 1.1, 1.2, 1.3")
def versions_java(lab):
    client, server = lab.pair()
    lab.truth.uses(java.name(), nginx.name())
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*lab.ca.issue("www.example"))))
    with lab.record():
        for only in ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"):
            said = java.connect(lab.tools, client, f"{server.ip}:443", only, sni="www.example")
            log = web.next_said()
            merged = both(said, log)
            merged.resumed = False  # A new program each time: it has no session to resume.
            lab.truth.add(client, server, 443, merged.expect(sni="www.example", client_max_version=merged.expect()["negotiated_version"]),
                          said.line, log.line, said.port)


@scenario("ssl3.pcap", "SSL 3.0: tlslite-ng at Java, Java at tlslite-ng, and an SSL 2.0 formatted hello from Java")
def ssl3(lab):
    client, server = lab.pair()
    lab.truth.uses(tlslite.name(lab.tools), java.name())
    cert, key = lab.ca.issue("www.example")
    p12 = lab.ca.p12("www.example")
    old_java = lab.start(java.server(lab.tools, server, 443, p12, "SSLv2Hello,SSLv3"))
    old_lite = lab.start(tlslite.server(lab.tools, server, 8443, "SSL 3.0", "TLS 1.0", cert, key))
    with lab.record():
        said = tlslite.connect(lab.tools, client, server.ip, 443, "SSL 3.0", "SSL 3.0")
        log = old_java.wait_for("{")
        lab.truth.add(client, server, 443, said.expect(client_max_version="SSL 3.0", sni=None), said.line, log, said.port)
        said = java.connect(lab.tools, client, f"{server.ip}:8443", "SSLv3")
        log = old_lite.wait_for("{")
        lab.truth.add(client, server, 8443, said.expect(client_max_version="SSL 3.0", resumed=False, sni=None), said.line, log, said.port)
        said = java.connect(lab.tools, client, f"{server.ip}:443", "SSLv2Hello,SSLv3,TLSv1")
        log = old_java.wait_for("{", after=2)
        lab.truth.add(client, server, 443, said.expect(client_max_version="TLS 1.0", resumed=False, sni=None), said.line, log, said.port)


@scenario("tls13-rustls.pcap", "rustls with a post-quantum key share: ClientHello in two segments; group X25519MLKEM768 at rustls, x25519 at nginx; TLS 1.2")
def rustls_pq(lab):
    client, server = lab.pair()
    lab.truth.uses(rustls.name(lab.tools), nginx.name())
    cert = lab.ca.issue("www.example", server.ip)
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*cert)))
    modern = lab.start(rustls.server(lab.tools, server, server.ip, 8443, *cert, 2))
    with lab.record():
        for port, options in ((8443, ()), (443, ()), (8443, ("--versions=1.2",))):
            said = rustls.connect(lab.tools, client, f"{server.ip}:{port}", "www.example", lab.ca.pem, *options)
            log = web.next_said().line if port == 443 else modern.wait_for("{", after=2 if options else 0)
            lab.truth.add(client, server, port, said.expect(sni="www.example", client_alpn=["http/1.1"], hello_retry=False), said.line, log, said.port)
