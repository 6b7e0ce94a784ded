"""Files of other kinds: pcapng with two interfaces, nanoseconds, compressed."""

import gzip
import signal
import time

from ..ends import mail_client, nginx, openssl, postfix
from ..lab import scenario
from ..network import PREFIX, sh
from ..process import Background
from .mail import upgraded
from .versions import both


def two_connections(lab, **recording):
    """TLS 1.0 and TLS 1.3 by s_client: enough where the file's form is the point."""
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), nginx.name())
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*lab.ca.issue("www.example"))))
    with lab.record(**recording):
        for version in ("TLS 1.0", "TLS 1.3"):
            said = openssl.connect(client, f"{server.ip}:443", only=version, sni="www.example")
            log = web.next_said()
            lab.truth.add(client, server, 443, both(said, log).expect(sni="www.example", client_max_version=version), said.line, log.line, said.port)


@scenario("nanoseconds.pcap", "A pcap with nanoseconds: TLS 1.0 and 1.3")
def nanoseconds(lab):
    two_connections(lab, options=("--time-stamp-precision=nano",))


@scenario("compressed-gz.pcap.gz", "A pcap compressed by gzip: TLS 1.0 and 1.3")
def compressed_gz(lab):
    plain = lab.folder / "plain.pcap"
    two_connections(lab, path=plain)
    lab.capture.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))


@scenario("compressed-zst.pcap.zst", "A pcap compressed by zstd: TLS 1.0 and 1.3")
def compressed_zst(lab):
    plain = lab.folder / "plain.pcap"
    two_connections(lab, path=plain)
    sh("zstd", "-q", "-f", "-19", plain, "-o", lab.capture)


@scenario("two-interfaces.pcapng", "A pcapng by dumpcap with two interfaces: HTTPS on one, mail on the other, same addresses and client ports on both")
def two_interfaces(lab):
    network = lab.network()
    lab.truth.uses(openssl.name(), nginx.name(), mail_client.name(lab.tools), postfix.name(), "dumpcap " + sh("dumpcap", "--version").split("(Wireshark)")[1].split()[0])
    hosts = {}
    for bridge in ("lan", "dmz"):
        hosts["client", bridge] = network.host(f"client-{bridge}", "10.20.0.10/24", on=bridge)
        hosts["server", bridge] = network.host(f"server-{bridge}", "10.20.0.1/24", on=bridge)
    web = {b: lab.start(nginx.Nginx(hosts["server", b], lab.folder / f"nginx-{b}", nginx.site(*lab.ca.issue("www.example")))) for b in ("lan", "dmz")}
    mta = lab.start(postfix.Postfix(hosts["server", "dmz"], lab.folder / "postfix", "mail.example", *lab.ca.issue("mail.example")))
    words = ["ip", "netns", "exec", f"{PREFIX}-switch", "dumpcap", "-q", "-i", "lan", "-f", "tcp", "-i", "dmz", "-f", "tcp", "-w", lab.capture]
    with Background(words, ready="File:", end_signal=signal.SIGINT):
        time.sleep(1)
        for bridge, version in (("lan", "TLS 1.0"), ("dmz", "TLS 1.2")):
            client, server = hosts["client", bridge], hosts["server", bridge]
            client.use_ports(45000, 45000)
            said = openssl.connect(client, f"{server.ip}:443", only=version, sni="www.example", port=45000)
            log = web[bridge].next_said()
            lab.truth.add(client, server, 443, both(said, log).expect(sni="www.example", client_max_version=version, client_mac=client.mac),
                          said.line, log.line, said.port)
        client, server = hosts["client", "dmz"], hosts["server", "dmz"]
        said = mail_client.session(lab.tools, client, "smtp", server.ip, 25, name="printer-2fl", max="TLSv1_1")
        log = mta.next_tls()
        lab.truth.add(client, server, 25, both(said, log).expect(**upgraded("smtp"), client_name="printer-2fl", client_max_version="TLS 1.1",
                                                                 client_mac=client.mac), said.line, log.line, said.port)
        time.sleep(1.5)  # dumpcap hands its packets on in blocks.
