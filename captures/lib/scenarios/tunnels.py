"""Connections that go through others: CONNECT at squid, SOCKS at Dante, PROXY headers by HAProxy."""

import re

from ..ends import dante, haproxy, line_client, mail_client, nginx, openssl, postfix, squid
from ..lab import scenario
from ..process import run
from ..said import Said, pick
from .mail import BANNER, HOST, LOGIN, PYTHON_VERSION, in_clear, upgraded
from .upgrades import IDLE, NONE, SECRET, WORK
from .versions import both


@scenario("squid.pcap", "CONNECT at squid: TLS 1.0, 1.2, 1.3 and HTTP in the clear through it, nothing sent; refused by port, without a name, with a wrong password, for want of a server; a password in the clear, at once and after a 407")
def connect_at_squid(lab):
    network = lab.network()
    client, proxy, server = (network.host(name, address) for name, address in (
        ("client", "10.20.0.10/24"), ("proxy", "10.20.0.3/24"), ("server", "10.20.0.1/24")))
    agent = "curl/" + run(["curl", "--version"]).split()[1]
    lab.truth.uses(agent.replace("/", " "), squid.name(), nginx.name())
    lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*lab.ca.issue("www.example"))))
    lab.start(nginx.Nginx(server, lab.folder / "plain", {"listen": "80", "location": 'return 200 "hello\\n";'}, template=nginx.PLAIN))
    tunnel = lab.start(squid.Squid(proxy, lab.folder / "squid", "desk", "secret-of-the-test"))
    asked = {"via": "http-connect", "client_name": agent}
    refused = {"upgrade": "refused", "carrier": None, "negotiated_version": None, **IDLE}

    def curl(expect, *options, port=3128, target=443, scheme="https"):
        local = client.next_port()
        text = run(client.enter("curl", "-sS", "-v", "-k", "-p", "-x", f"http://{proxy.ip}:{port}", *options, f"{scheme}://{server.ip}:{target}/"))
        said = Said(text=text, line=pick(text, "SSL connection using", "< HTTP/1.1 ", "CONNECT tunnel", "curl: (", "hello"), port=local)
        found = re.search(r"SSL connection using (\S+) / (\S+)", text)
        if found:
            said.version, said.cipher = found[1], found[2]
        tunnel.wait_for(f"{local} ")
        log = " | ".join(line for line in tunnel.lines if line.startswith(f"{local} "))
        lab.truth.add(client, proxy, port, said.expect(**asked, via_target=f"{server.ip}:{target}", **expect), said.line, log, local)

    def granted(secret=NONE):
        return {"upgrade": "upgraded", **IDLE, **secret}

    with lab.record(filter=f"tcp and host {client.ip}"):
        for number in (0, 2, 3):
            curl({**granted(), "client_max_version": f"TLS 1.{number}"}, "--tlsv1.0", "--tls-max", f"1.{number}", "--ciphers", openssl.ANY)
        curl({"upgrade": "accepted-no-hello", "carrier": None, **WORK, **NONE}, target=80, scheme="http")
        curl({**refused, **NONE}, target=8443)
        curl({**refused, **NONE}, target=444)
        curl({**refused, **NONE}, port=3129)
        curl({**refused, **SECRET}, "--proxy-user", "desk:wrong-of-the-test", port=3129)
        curl(granted(SECRET), "--proxy-user", "desk:secret-of-the-test", port=3129)
        curl(granted(SECRET), "--proxy-anyauth", "--proxy-user", "desk:secret-of-the-test", port=3129)
        said = line_client.session(lab.tools, client, proxy.ip, 3128, f">CONNECT {server.ip}:443 HTTP/1.1", ">", "< 200 ")
        lab.truth.add(client, proxy, 3128, {"via": "http-connect", "via_target": f"{server.ip}:443", "upgrade": "accepted-no-hello", "carrier": None, **IDLE, **NONE}, said.line, client_port=said.port)


@scenario("socks.pcap", "SOCKS 4 and 5 at Dante: TLS 1.0, 1.2, 1.3 and HTTP in the clear through it, nothing sent; 5 refused, also to a name and with a password; the proxy's own connections behind it")
def socks(lab):
    network = lab.network()
    client, proxy, server = (network.host(name, address) for name, address in (
        ("client", "10.20.0.10/24"), ("proxy", "10.20.0.3/24"), ("server", "10.20.0.1/24")))
    lab.truth.uses("curl " + run(["curl", "--version"]).split()[1], dante.name(), nginx.name())
    plain = {"listen": "80", "location": 'return 200 "hello\\n";'}
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*lab.ca.issue("www.example"))))
    lab.start(nginx.Nginx(server, lab.folder / "plain", plain, template=nginx.PLAIN))
    tunnel = lab.start(dante.server(proxy, lab.folder / "dante"))
    strict = lab.start(dante.server(proxy, lab.folder / "strict", port=1081, method="username"))

    def curl(scheme, url, *options, port=1080, log_of=tunnel):
        local, seen = client.next_port(), len(log_of.lines)
        text = run(client.enter("curl", "-sS", "-v", "-k", "--proxy", f"{scheme}://{proxy.ip}:{port}", *options, url))
        said = Said(text=text, line=pick(text, "SSL connection using", "SOCKS", "curl: (", "hello"), port=local)
        found = re.search(r"SSL connection using (\S+) / (\S+)", text)
        if found:
            said.version, said.cipher = found[1], found[2]
        log = " | ".join(re.sub(r"^.*?: (info: )?", "", line) for line in log_of.lines[seen:])[:300]
        return said, log

    with lab.record():
        for scheme, via, number in (("socks4", "socks4", 0), ("socks5", "socks5", 2), ("socks5", "socks5", 3)):
            version = f"TLS 1.{number}"
            said, log = curl(scheme, f"https://{server.ip}/", "--tlsv1.0", "--tls-max", f"1.{number}", "--ciphers", openssl.ANY)
            shared = {"client_max_version": version}
            lab.truth.add(client, proxy, 1080, said.expect(**shared, via=via, via_target=f"{server.ip}:443", upgrade="upgraded", **IDLE, **NONE), said.line, log, said.port)
            behind = web.next_said()
            lab.truth.add(proxy, server, 443, behind.expect(**shared, via=None, upgrade=None), said.line, behind.line, behind.port)
        for scheme, via in (("socks4", "socks4"), ("socks5", "socks5")):
            said, log = curl(scheme, f"http://{server.ip}/")
            lab.truth.add(client, proxy, 1080, {"via": via, "via_target": f"{server.ip}:80", "upgrade": "accepted-no-hello", "carrier": None, **WORK, **NONE}, said.line, log, said.port)
        refused = {"via": "socks5", "upgrade": "refused", "carrier": None, **IDLE}
        for scheme, target in (("socks5", f"{server.ip}:8443"), ("socks5h", "www.example:8443")):
            said, log = curl(scheme, f"https://{target}/")
            lab.truth.add(client, proxy, 1080, {**refused, "via_target": target, **NONE}, said.line, log, said.port)
        said, log = curl("socks5", f"https://{server.ip}/", "--proxy-user", "desk:secret-of-the-test", port=1081, log_of=strict)
        # The password is refused before a target is named.
        lab.truth.add(client, proxy, 1081, {**refused, "via_target": None, **SECRET}, said.line, log, said.port)
        said = line_client.session(lab.tools, client, proxy.ip, 1080, r">>\x05\x01\x00", r"<\x05\x00", r">>\x05\x01\x00\x01\x0a\x14\x00\x01\x01\xbb", r"<\x05\x00")
        lab.truth.add(client, proxy, 1080, {"via": "socks5", "via_target": f"{server.ip}:443", "upgrade": "accepted-no-hello", "carrier": None, **IDLE, **NONE},
                      said.line, client_port=said.port)


@scenario("proxy-protocol.pcap", "PROXY headers by HAProxy, versions 1 and 2: in front of TLS 1.0 to 1.3 at nginx and of SMTP at Postfix, upgraded, offered and unused, with a password in the clear")
def proxy_protocol(lab):
    network = lab.network()
    client, proxy, server = (network.host(name, address) for name, address in (
        ("client", "10.20.0.10/24"), ("proxy", "10.20.0.3/24"), ("server", "10.20.0.1/24")))
    lab.truth.uses(openssl.name(), mail_client.name(lab.tools), haproxy.name(), nginx.name(), postfix.name())
    cert = lab.ca.issue(HOST)
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*cert, listen="443 proxy_protocol")))
    mta = lab.start(postfix.Postfix(server, lab.folder / "postfix", HOST, *cert, smtpd_upstream_proxy_protocol="haproxy"))
    lab.start(haproxy.server(proxy, lab.folder / "haproxy", (443, f"{server.ip}:443", "send-proxy"), (444, f"{server.ip}:443", "send-proxy-v2"),
                             (25, f"{server.ip}:25", "send-proxy")))
    via = {"via": "proxy-protocol"}
    with lab.record(filter=f"tcp and host {server.ip}"):
        for port, version in ((443, "TLS 1.0"), (444, "TLS 1.1"), (443, "TLS 1.2"), (444, "TLS 1.3")):
            said = openssl.connect(client, f"{proxy.ip}:{port}", only=version, sni="www.example")
            log = web.next_said()
            lab.truth.add(proxy, server, 443, both(said, log).expect(**via, via_target=f"{client.ip}:{said.port}", upgrade=None, sni="www.example", client_max_version=version),
                          said.line, log.line, log.port if log.port != said.port else None)
        names = {"client_name": "printer-2fl", "server_name_banner": BANNER}
        for version in ("TLS 1.0", "TLS 1.3"):
            said = mail_client.session(lab.tools, client, "smtp", proxy.ip, 25, name="printer-2fl", max=PYTHON_VERSION[version])
            log = mta.next_tls()
            mta.next_line("disconnect from")
            lab.truth.add(proxy, server, 25, both(said, log).expect(**upgraded("smtp"), **via, **names, via_target=f"{client.ip}:{said.port}", client_max_version=version), said.line, log.line)
        for login, secret in ((None, NONE), (LOGIN, SECRET)):
            said = mail_client.session(lab.tools, client, "smtp", proxy.ip, 25, name="printer-2fl", tls="none", login=login)
            lab.truth.add(proxy, server, 25, {**in_clear("smtp", "offered-unused", **WORK, **secret, **names), **via, "via_target": f"{client.ip}:{said.port}"},
                          said.line, mta.next_line("disconnect from"))
