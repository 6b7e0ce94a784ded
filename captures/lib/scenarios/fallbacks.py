"""Clients that come again with less than they first offered (the dance of RFC 7507), with and without saying so."""

import json

from ..ends import links, nginx, okhttp, openssl, tlslite
from ..lab import scenario
from .failures import refused


@scenario("fallback.pcap", "Clients that come again at once with a lower version: OkHttp without TLS_FALLBACK_SCSV, after an alert and after a FIN; links with it, after resets; "
          "for contrast, a host that fails and another that succeeds with TLS 1.0")
def fallback(lab):
    network = lab.network()
    app, browser = network.host("app", "10.20.0.10/24"), network.host("browser", "10.20.0.11/24")
    modern, old = network.host("modern", "10.20.0.12/24"), network.host("old", "10.20.0.13/24")
    honest, intolerant = network.host("honest", "10.20.0.1/24"), network.host("intolerant", "10.20.0.2/24")
    lab.truth.uses(okhttp.name(), links.name(), openssl.name(), nginx.name(), tlslite.name(lab.tools) + " made intolerant by this project")
    cert = lab.ca.issue("old.example")
    web = lab.start(nginx.Nginx(honest, lab.folder / "nginx", nginx.site(*cert, protocols="TLSv1")))
    closing, resetting = (lab.start(tlslite.server(lab.tools, intolerant, port, "TLS 1.0", "TLS 1.0", *cert, manner)) for port, manner in ((443, "close"), (8443, "reset")))

    def hung_up(cause):
        return {"carrier": "tls", "outcome": "refused-by-server", "cause": cause, "negotiated_version": None}

    def heard(server):
        return [line for line in server.lines if line.startswith("{")]

    def dance(server, port, failed, logs):
        first, second = okhttp.get(lab.tools, app, server.ip, f"https://old.example:{port}/", "MODERN_TLS", "TLSv1")
        offered = {"sni": "old.example", "client_alpn": ["h2", "http/1.1"], "fallback_scsv": False}
        failed_log, log = logs()
        lab.truth.add(app, server, port, {**failed, **offered, "client_max_version": "TLS 1.3", "client_versions": ["TLS 1.3", "TLS 1.2"]}, first.line, failed_log, first.port)
        lab.truth.add(app, server, port, second.expect(**offered, client_max_version="TLS 1.0", client_versions=["TLS 1.0"], resumed=False), second.line, log, second.port)

    def s_client(client, *options, **more):
        return openssl.connect(client, f"{honest.ip}:443", "-state", *options, sni="old.example", **more)

    with lab.record():
        dance(honest, 443, refused("protocol_version"), lambda: (web.next_error(), web.next_said().line))
        dance(intolerant, 443, hung_up("tcp close"), lambda: heard(closing))
        # links knows no name for the address; it is what the server tells that it offered each time.
        page = links.visit(browser, lab.folder, f"https://{intolerant.ip}:8443/")
        for line in heard(resetting):
            told, said = json.loads(line), tlslite.read(line)
            expect = said.expect() if said.version else hung_up("tcp reset")
            offered = {"client_versions": told["hello_versions"], "client_max_version": told["hello_versions"][0], "sni": told["server_name"], "fallback_scsv": told["fallback_scsv"]}
            lab.truth.add(browser, intolerant, 8443, {**expect, **offered}, "page loaded: " + page, line, said.port)
        # Nobody comes again here: these are two hosts.
        said = s_client(modern, "-min_protocol", "TLSv1.2")
        lab.truth.add(modern, honest, 443, {**refused("protocol_version"), "sni": "old.example", "client_max_version": "TLS 1.3", "fallback_scsv": False}, said.line, web.next_error(), said.port)
        said = s_client(old, only="TLS 1.0")
        lab.truth.add(old, honest, 443, said.expect(sni="old.example", client_max_version="TLS 1.0", fallback_scsv=False), said.line, web.next_said().line, said.port)
