"""Addresses, tags and ports: IPv6, VLANs, a client port used twice."""

from ..ends import mail_client, nginx, openssl, postfix
from ..lab import scenario
from ..process import run
from ..said import pick
from .mail import upgraded
from .versions import both


@scenario("ipv6.pcap", "TLS 1.0, 1.2 and 1.3 over IPv6")
def ipv6(lab):
    client, server = lab.pair("2001:db8:20::10/64", "2001:db8:20::1/64")
    lab.truth.uses(openssl.name(), nginx.name())
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*lab.ca.issue("www.example"), listen="[::]:443")))
    with lab.record():
        for version in ("TLS 1.0", "TLS 1.2", "TLS 1.3"):
            said = openssl.connect(client, f"[{server.ip}]:443", only=version, sni="www.example")
            log = web.next_said()
            lab.truth.add(client, server, 443, both(said, log).expect(sni="www.example", client_max_version=version), said.line, log.line, said.port)


@scenario("vlan.pcap", "802.1Q tags on a trunk: two VLANs with the same addresses in both, HTTPS in one with TLS 1.0, in the other with TLS 1.3, and mail")
def vlan(lab):
    network = lab.network()
    lab.truth.uses(openssl.name(), nginx.name(), mail_client.name(lab.tools), postfix.name(), "this project's own tagging switch")
    cert = lab.ca.issue("www.example")
    for tag in (20, 30):
        network.host(f"client{tag}", "10.20.0.10/24")
        network.host(f"server{tag}", "10.20.0.1/24")
    trunk = lab.trunk({"a": {"client20": 20, "client30": 30}, "b": {"server20": 20, "server30": 30}})
    hosts = network.hosts
    web = {tag: lab.start(nginx.Nginx(hosts[f"server{tag}"], lab.folder / f"nginx{tag}", nginx.site(*cert))) for tag in (20, 30)}
    mta = lab.start(postfix.Postfix(hosts["server20"], lab.folder / "postfix", "mail.example", *lab.ca.issue("mail.example")))
    with lab.record(device=trunk, filter="vlan and tcp"):
        for tag, version in ((20, "TLS 1.0"), (30, "TLS 1.3")):
            client, server = hosts[f"client{tag}"], hosts[f"server{tag}"]
            said = openssl.connect(client, f"{server.ip}:443", only=version, sni="www.example")
            log = web[tag].next_said()
            lab.truth.add(client, server, 443, both(said, log).expect(sni="www.example", client_max_version=version, vlan=[tag], client_mac=client.mac,
                                                                      server_mac=server.mac), said.line, log.line, said.port)
        client, server = hosts["client20"], hosts["server20"]
        said = mail_client.session(lab.tools, client, "smtp", server.ip, 25, name="printer-2fl", max="TLSv1")
        log = mta.next_tls()
        lab.truth.add(client, server, 25, both(said, log).expect(**upgraded("smtp"), client_name="printer-2fl", vlan=[20], client_max_version="TLS 1.0"),
                      said.line, log.line, said.port)


@scenario("port-reuse.pcap", "The same client port used four times in a row for the same server: TLS 1.0, 1.3, 1.2, then a refusal")
def port_reuse(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), nginx.name())
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*lab.ca.issue("www.example"), protocols="TLSv1 TLSv1.2 TLSv1.3")))
    port = 45000
    client.use_ports(port, port)
    with lab.record():
        for version in ("TLS 1.0", "TLS 1.3", "TLS 1.2"):
            # nginx answers HTTP/1.0 and closes first, so that the server remembers the connection and the client may use its port again.
            said = openssl.connect(client, f"{server.ip}:443", only=version, sni="www.example", port=port)
            log = web.next_said()
            lab.truth.add(client, server, 443, both(said, log).expect(sni="www.example", client_max_version=version), said.line, log.line, port)
        said = openssl.connect(client, f"{server.ip}:443", "-state", "-sigalgs", "ECDSA+SHA256", only="TLS 1.3", sni="www.example", port=port)
        lab.truth.add(client, server, 443, {"carrier": "tls", "outcome": "refused-by-server", "cause": "alert handshake_failure", "negotiated_version": None,
                                            "alerts": ["server fatal handshake_failure"], "sni": "www.example"}, said.line, web.next_error(), port)


@scenario("fast-open.pcap", "TCP Fast Open by curl at nginx: TLS 1.0, 1.2 and 1.3, all but the first with the ClientHello on the SYN")
def fast_open(lab):
    client, server = lab.pair()
    lab.truth.uses("curl " + run(["curl", "--version"]).split()[1], nginx.name())
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*lab.ca.issue("www.example"), listen="443 fastopen=16")))
    for host in (client, server):
        host.sh("sysctl", "-qw", "net.ipv4.tcp_fastopen=3")
    with lab.record():
        for number in (2, 0, 2, 3):  # The first asks for the cookie.
            port = client.next_port()
            text = run(client.enter("curl", "-sS", "-v", "-k", "--tcp-fastopen", "--tlsv1.0", "--tls-max", f"1.{number}", "--ciphers", openssl.ANY,
                                    "--resolve", f"www.example:443:{server.ip}", "https://www.example/"))
            log = web.next_said()
            lab.truth.add(client, server, 443, log.expect(sni="www.example", client_max_version=f"TLS 1.{number}"), pick(text, "SSL connection using", "curl: ("), log.line, port)
