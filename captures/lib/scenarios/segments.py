"""ClientHellos that do not fit one segment."""

import json

from ..ends import chromium, nginx, openssl, rustls, tlslite
from ..lab import scenario
from ..said import Said
from .versions import both

ENCRYPTED_CLIENT_HELLO = 65037


@scenario("small-segments.pcap", "A path with an MTU of 300 bytes: hellos cut over many segments, certificates over more; TLS 1.0, 1.2, 1.3, post-quantum")
def small_segments(lab):
    client, server = lab.pair(mtu=300)
    lab.truth.uses(openssl.name(), rustls.name(lab.tools), nginx.name())
    cert = lab.ca.issue("www.example", server.ip)
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*cert)))
    modern = lab.start(rustls.server(lab.tools, server, server.ip, 8443, *cert, 1))
    with lab.record():
        for version in ("TLS 1.0", "TLS 1.2", "TLS 1.3"):
            said = openssl.connect(client, f"{server.ip}:443", "-alpn", ",".join(f"protocol-{n}" for n in range(12)) + ",http/1.1", only=version, sni="www.example")
            log = web.next_said()
            lab.truth.add(client, server, 443, both(said, log).expect(sni="www.example", client_max_version=version), said.line, log.line, said.port)
        said = rustls.connect(lab.tools, client, f"{server.ip}:8443", "www.example", lab.ca.pem)
        lab.truth.add(client, server, 8443, said.expect(sni="www.example", hello_retry=False), said.line, modern.wait_for("{"), said.port)


@scenario("chromium.pcap", "Chromium at rustls (X25519MLKEM768), at tlslite-ng (which lists the hello's extensions, ECH's among them) and at nginx with TLS 1.2")
def browser(lab):
    client, server = lab.pair()
    lab.truth.uses(chromium.name(), rustls.name(lab.tools), tlslite.name(lab.tools), nginx.name())
    cert = lab.ca.issue("www.example", server.ip)
    modern = lab.start(rustls.server(lab.tools, server, server.ip, 443, *cert, 20))
    listing = lab.start(tlslite.server(lab.tools, server, 8443, "TLS 1.2", "TLS 1.3", *cert))
    older = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*cert, listen="9443", protocols="TLSv1.2", http2=True)))
    common = {"sni": "www.example", "client_max_version": "TLS 1.3", "client_alpn": ["h2", "http/1.1"], "ech": True}
    with lab.record():
        page = chromium.visit(client, "https://www.example/", server.ip, lab.folder / "profile1")
        for line in [line for line in modern.lines if line.startswith("{")]:
            said = rustls.read(line, by_server=True)
            if said.version:
                lab.truth.add(client, server, 443, said.expect(**common, hello_retry=False), page, line, said.port)
        page = chromium.visit(client, "https://www.example:8443/", server.ip, lab.folder / "profile2")
        for line in [line for line in listing.lines if line.startswith("{")]:
            # 65037 is encrypted_client_hello; sent without a configuration it is GREASE, which a listener cannot tell from the real one.
            assert ENCRYPTED_CLIENT_HELLO in json.loads(line)["hello_extensions"], line
            said = tlslite.read(line)
            lab.truth.add(client, server, 8443, said.expect(**common, hello_retry=False), page, line, said.port)
        page = chromium.visit(client, "https://www.example:9443/", server.ip, lab.folder / "profile3")
        by_port = {said.port: said for said in reversed(older.all_said())}
        for said in by_port.values():
            lab.truth.add(client, server, 9443, both(said, Said()).expect(**common), page, said.line, said.port)
