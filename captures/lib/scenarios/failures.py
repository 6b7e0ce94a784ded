"""Handshakes that fail: alerts of both sides, and servers that answer with something else or not at all."""

import sys

from ..ends import gnutls, java, nginx, openssl, postfix, rustls, tlslite
from ..lab import scenario
from ..process import Background, run
from ..said import pick


def refused(alert):
    return {"carrier": "tls", "outcome": "refused-by-server", "cause": f"alert {alert}", "negotiated_version": None, "alerts": [f"server fatal {alert}"]}


@scenario("alerts-server.pcap", "Servers that refuse with an alert: protocol_version, handshake_failure, unrecognized_name, inappropriate_fallback; six client stacks' words for it")
def alerts_server(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), gnutls.name(), java.name(), tlslite.name(lab.tools), rustls.name(lab.tools), nginx.name())
    cert = lab.ca.issue("www.example", server.ip)
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*cert, protocols="TLSv1.2 TLSv1.3"),
                                nginx.site(*cert, listen="1443", protocols="TLSv1.3"),
                                nginx.site(*cert, listen="2443", protocols="TLSv1.2", ciphers="AES128-SHA"),
                                nginx.site(*cert, listen="3443", protocols="TLSv1")))
    lab.start(openssl.server(server, *cert, "-servername", "www.example", "-servername_fatal", "-cert2", cert[0], "-key2", cert[1], port=4443))
    any_name = {"sni": "www.example"}

    def tell(said, port, expect, log=None):
        log = web.next_error() if log is None else log
        lab.truth.add(client, server, port, expect, said.line, log, said.port)

    def s_client(port, *options, **more):
        return openssl.connect(client, f"{server.ip}:{port}", "-state", *options, sni="www.example", **more)

    with lab.record():
        tell(s_client(443, only="TLS 1.0"), 443, {**refused("protocol_version"), **any_name, "client_max_version": "TLS 1.0"})
        tell(s_client(443, only="TLS 1.1"), 443, {**refused("protocol_version"), **any_name, "client_max_version": "TLS 1.1"})
        tell(s_client(1443, only="TLS 1.2"), 1443, {**refused("protocol_version"), **any_name, "client_max_version": "TLS 1.2"})
        tell(s_client(2443, only="TLS 1.3"), 2443, {**refused("protocol_version"), **any_name, "client_max_version": "TLS 1.3"})
        tell(gnutls.connect(client, server.ip, 443, only="TLS 1.0", sni="www.example"), 443, {**refused("protocol_version"), **any_name, "client_max_version": "TLS 1.0"})
        tell(java.connect(lab.tools, client, f"{server.ip}:443", "TLSv1", sni="www.example"), 443,
             {**refused("protocol_version"), **any_name, "client_max_version": "TLS 1.0"})
        tell(tlslite.connect(lab.tools, client, server.ip, 443, "SSL 3.0", "SSL 3.0"), 443, {**refused("handshake_failure"), "sni": None, "client_max_version": "SSL 3.0"})
        said = rustls.connect(lab.tools, client, f"{server.ip}:3443", "www.example", lab.ca.pem)
        tell(said, 3443, {**refused("protocol_version"), **any_name, "client_max_version": "TLS 1.3"})
        tell(s_client(2443, only="TLS 1.2", cipher="ECDHE-RSA-CHACHA20-POLY1305"), 2443, {**refused("handshake_failure"), **any_name, "client_max_version": "TLS 1.2"})
        tell(s_client(443, "-fallback_scsv", only="TLS 1.2"), 443, {**refused("inappropriate_fallback"), **any_name, "fallback_scsv": True, "client_max_version": "TLS 1.2"})
        said = openssl.connect(client, f"{server.ip}:4443", "-state", only="TLS 1.2", sni="unknown.example")
        tell(said, 4443, {**refused("unrecognized_name"), "sni": "unknown.example"}, "s_server -servername www.example -servername_fatal")


@scenario("alerts-client.pcap", "Clients that refuse after the ServerHello: the version chosen, the certificate (also in TLS 1.3 in the clear); a server that misses a client certificate")
def alerts_client(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), gnutls.name(), "curl " + run(["curl", "--version"]).split()[1], rustls.name(lab.tools), nginx.name())
    cert = lab.ca.issue("www.example")
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*cert), nginx.site(*cert, listen="3443", protocols="TLSv1")))
    strict = lab.start(openssl.server(server, *cert, "-Verify", "1", "-verify_return_error", "-CAfile", lab.ca.pem, "-state", port=5443))
    shown = {"carrier": "tls", "sni": "www.example"}

    def s_client(port, *options, **more):
        return openssl.connect(client, f"{server.ip}:{port}", "-state", *options, sni="www.example", **more)

    with lab.record():
        # A TLS 1.2 client has no supported_versions to limit the choice; the server answers with TLS 1.0, and the client will not.
        said = s_client(3443, only="TLS 1.2")
        lab.truth.add(client, server, 3443, {**shown, "negotiated_version": "TLS 1.0", "alerts": ["client fatal protocol_version"],
                                             "client_max_version": "TLS 1.2"}, said.line, web.next_error(), said.port)
        for version in ("TLS 1.0", "TLS 1.2", "TLS 1.3"):
            # OpenSSL's client has not yet changed its keys then: also in TLS 1.3 the record is an alert of two bytes in the clear, as -msg tells.
            said = s_client(443, "-msg", "-verify_return_error", "-verify", "3", only=version)
            record = [line for line in said.text.splitlines() if "RecordHeader" in line and ">>>" in line][-1]
            octets = said.text.split(record)[-1].splitlines()[1].strip()
            assert octets == "15 03 03 00 02" or octets == "15 03 01 00 02", octets
            lab.truth.add(client, server, 443, {**shown, "negotiated_version": version, "alerts": ["client fatal unknown_ca"]},
                          f"{said.line} | last record header sent: {octets}", web.next_error(), said.port)
        for option, version, alerts in (("--tls-max=1.2", "TLS 1.2", ["client fatal unknown_ca"]), ("--tlsv1.3", "TLS 1.3", ["client fatal unknown_ca"])):
            port = client.next_port()
            words = ["curl", "-sS", "-v", *option.split("=") , "--resolve", f"www.example:443:{server.ip}", "https://www.example/"]
            text = run(client.enter(*words))
            lab.truth.add(client, server, 443, {**shown, "negotiated_version": version, "alerts": alerts, "client_alpn": ["h2", "http/1.1"]},
                          pick(text, "alert", "curl: ("), web.next_error(), port)
        said = gnutls.connect(client, server.ip, 443, only="TLS 1.2", sni="www.example", insecure=False)
        lab.truth.add(client, server, 443, {**shown, "negotiated_version": "TLS 1.2", "alerts": ["client fatal bad_certificate"]}, said.line, web.next_error(what="SSL_"), said.port)
        said = s_client(5443, only="TLS 1.2")
        lab.truth.add(client, server, 5443, {**shown, "negotiated_version": "TLS 1.2", "alerts": ["server fatal handshake_failure"], "client_certificate": "requested"},
                      said.line, strict.wait_for("fatal"), said.port)


@scenario("dead-ends.pcap", "ClientHellos answered by a reset, by silence, by a FIN, by plain HTTP, by a mail server's greeting")
def dead_ends(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), "Python " + sys.version.split()[0], nginx.name(), postfix.name())
    ends = {}
    for manner, port in (("reset", 443), ("silent", 1443), ("close", 2443)):
        program = [sys.executable, lab.tools.clients / "stubborn_server.py", manner, port]
        ends[manner] = lab.start(Background(server.enter(*program), ready="listening"))
    cert = lab.ca.issue("mail.example")
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*cert, listen="8443"), template=nginx.PLAIN))
    mta = lab.start(postfix.Postfix(server, lab.folder / "postfix", "mail.example", *cert))
    nothing = {"carrier": "tls", "negotiated_version": None, "sni": "www.example", "client_max_version": "TLS 1.2"}

    def s_client(port, *options, **more):
        return openssl.connect(client, f"{server.ip}:{port}", *options, only="TLS 1.2", sni="www.example", **more)

    with lab.record():
        said = s_client(443)
        lab.truth.add(client, server, 443, {**nothing, "outcome": "refused-by-server", "cause": "tcp reset"}, said.line, ends["reset"].wait_for("reset:"), said.port)
        said = s_client(1443, seconds=3)
        lab.truth.add(client, server, 1443, {**nothing, "outcome": "no-answer"}, "killed after 3 s without an answer", ends["silent"].wait_for("silent:"), said.port)
        # OpenSSL's client answers the FIN with an alert, though nobody is there to read it.
        said = s_client(2443, "-state")
        lab.truth.add(client, server, 2443, {**nothing, "alerts": ["client fatal decode_error"]}, said.line, ends["close"].wait_for("close:"), said.port)
        said = s_client(8443)
        lab.truth.add(client, server, 8443, {**nothing, "outcome": "refused-by-server", "upgrade": None}, said.line, web.next_error(what="client sent invalid"), said.port)
        said = s_client(25)
        lab.truth.add(client, server, 25, {**nothing, "service": "smtp", "upgrade": None}, said.line, mta.next_line("disconnect from"), said.port)
