"""Tunnels by Linux's own kernel: the same HTTPS through one after another."""

import itertools

from ..ends import nginx, openssl
from ..lab import scenario
from ..process import run
from .versions import both

VERSIONS = ("TLS 1.0", "TLS 1.2", "TLS 1.3")


class Web:
    """A client and a web server at the two ends of each tunnel; one connection through each, at TLS 1.0, 1.2 and 1.3 in turn."""

    def __init__(self, lab, client, server):
        self.lab, self.client, self.server = lab, client, server
        self.versions = itertools.cycle(VERSIONS)
        lab.truth.uses(openssl.name(), nginx.name(), "Linux " + run(["uname", "-r"]).strip())
        cert = lab.ca.issue("www.example")
        site = {**nginx.site(*cert), "listen": "[::]:443 ipv6only=off"}
        self.nginx = lab.start(nginx.Nginx(server, lab.folder / "nginx", site))

    def connect(self, client_ip, server_ip, *options, **expect):
        """`client_ip` and `server_ip` are the inner addresses."""
        version = next(self.versions)
        target = f"[{server_ip}]:443" if ":" in server_ip else f"{server_ip}:443"
        said = openssl.connect(self.client, target, *options, only=version, sni="www.example")
        log = self.nginx.next_said()
        self.lab.truth.add(client_ip, server_ip, 443, both(said, log).expect(sni="www.example", client_max_version=version, **expect),
                           said.line, log.line, said.port)


def link(host, name, address, *words):
    """Adds the interface `name` to a host."""
    host.sh("ip", "link", "add", name, *words)
    host.sh("ip", "addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
    host.sh("ip", "link", "set", name, "up")


class Ends:
    """Both ends of one more carrier: what is done at one of them is done at the other, the other way round."""

    def __init__(self, client, server):
        self.pairs = ((client, server), (server, client))
        self.client, self.server = client, server

    def sh(self, line):
        """Runs `line` at both; {here} and {there} are their addresses, {number} and {other} 10 and 1 at the client, {mac} the other's."""
        for here, there in self.pairs:
            number, other = (10, 1) if here is self.client else (1, 10)
            here.sh(*line.format(here=here.ip, there=there.ip, number=number, other=other, mac=there.mac).split())


# What the record calls it, Linux's type and options, and whether the inner packets are IPv6.
OVER_IPV4 = [
    (["gre"], "gre", "", False),
    (["gre"], "gre", "key 7 seq csum", True),
    (["gre"], "gretap", "key 25600", False),
    (["erspan"], "erspan", "erspan_ver 0", False),
    (["erspan"], "erspan", "seq key 2 erspan_ver 1 erspan 100", False),
    (["erspan"], "erspan", "seq key 3 erspan_ver 2 erspan_dir egress erspan_hwid 7", False),
    (["ipip"], "ipip", "", False),
    (["6in4"], "sit", "", True),
    (["vxlan"], "vxlan", "id 10 dstport 4789", False),
    (["vxlan"], "vxlan", "id 11 dstport 8472", True),
    (["geneve"], "geneve", "id 10", False),
]
OVER_IPV6 = [
    (["gre"], "ip6gre", "", False),
    (["gre"], "ip6gretap", "key 9", True),
    (["erspan"], "ip6erspan", "seq key 4 erspan_ver 2 erspan_dir ingress erspan_hwid 9", False),
    (["ipip"], "ip6tnl", "mode ipip6", False),
    (["ipip"], "ip6tnl", "mode ip6ip6", True),
    (["vxlan"], "vxlan", "id 20 dstport 4789 udp6zerocsumtx udp6zerocsumrx", False),
    (["geneve"], "geneve", "id 20", True),
]
KERNEL = "ip_gre ip6_gre ipip sit ip6_tunnel vxlan geneve"


def through_each(lab, tunnels, client, server):
    web = Web(lab, client, server)
    ends = Ends(client, server)
    ends.sh("sysctl -qw net.ipv6.conf.default.router_solicitations=0")
    with lab.record(filter=""):
        for number, (tunnel, kind, options, v6) in enumerate(tunnels, 1):
            name = f"t{number}"
            inner = [f"2001:db8:{number:x}::{host}" if v6 else f"10.60.{number}.{host}" for host in (10, 1)]
            for end, here, there, address in ((client, client, server, inner[0]), (server, server, client, inner[1])):
                local = "" if kind == "geneve" else f"local {here.ip}"
                link(end, name, f"{address}/{64 if v6 else 24}", *f"type {kind} remote {there.ip} {local} {options}".split())
            web.connect(*inner, tunnel=tunnel)
            ends.sh(f"ip link del {name}")
        if client.addresses[0].version == 4:
            # GPE's interface takes IP without Ethernet, and the other end from the route.
            for end, there, own, other in ((client, server, 10, 1), (server, client, 1, 10)):
                link(end, "gpe", f"10.60.99.{own}/32", *"type vxlan dstport 4790 gpe external".split())
                end.sh(*f"ip route add 10.60.99.{other} encap ip id 12 dst {there.ip} dev gpe src 10.60.99.{own}".split())
            web.connect("10.60.99.10", "10.60.99.1", tunnel=["vxlan"])


@scenario("tunnels.pcap", "Tunnels over IPv4, HTTPS with TLS 1.0, 1.2 and 1.3 in turn: GRE bare, with key, sequence number and checksum, and with Ethernet; ERSPAN I, II and III; IP in IP, 6in4, VXLAN, GENEVE, VXLAN-GPE",
          modules=KERNEL)
def tunnels(lab):
    through_each(lab, OVER_IPV4, *lab.pair())


@scenario("tunnels-ipv6.pcap", "Tunnels over IPv6, HTTPS with TLS 1.0, 1.2 and 1.3 in turn: GRE with IP and with Ethernet, ERSPAN III, IPv4 and IPv6 in IPv6, VXLAN, GENEVE", modules=KERNEL)
def tunnels_ipv6(lab):
    through_each(lab, OVER_IPV6, *lab.pair("2001:db8:ff::10/64", "2001:db8:ff::1/64"))


@scenario("fragments.pcap", "Tunnels wider than their path, so that both hellos come in fragments of IP: TLS 1.0 in VXLAN, 1.2 in GRE", modules=KERNEL)
def fragments(lab):
    client, server = lab.pair()
    web, ends = Web(lab, client, server), Ends(client, server)
    ends.sh("sysctl -qw net.ipv6.conf.default.router_solicitations=0")
    ends.sh("ip link set eth0 mtu 400")
    long_hello = ("-alpn", ",".join(f"protocol-{n}" for n in range(110)) + ",http/1.1")
    with lab.record(filter=""):
        for number, (tunnel, options) in enumerate((("vxlan", "vxlan id 10 dstport 4789 df unset"), ("gre", "gre nopmtudisc ignore-df")), 1):
            ends.sh(f"ip link add t{number} type {options} remote {{there}} local {{here}}")
            ends.sh(f"ip addr add 10.64.{number}.{{number}}/24 dev t{number}")
            ends.sh(f"ip link set t{number} up mtu 1500")
            web.connect(f"10.64.{number}.10", f"10.64.{number}.1", *long_hello, tunnel=[tunnel])


@scenario("labels.pcap", "Labels, tags and headers between Ethernet and TCP, HTTPS with TLS 1.0, 1.2 and 1.3 in turn: MPLS with one label and with two, in GRE and in IP; 802.1ad with 802.1Q in it; MACsec without encryption; "
          "the authentication header, in IPv4 and IPv6, transport and tunnel mode; segment routing by header alone and around a packet; GRE in UDP",
          modules=f"{KERNEL} mpls_router mpls_iptunnel mpls_gso 8021q macsec ah4 ah6 xfrm_user xfrm4_tunnel xfrm6_tunnel fou fou6")
def labels(lab):
    network = lab.network()
    client, server = network.host("client", "10.20.0.10/24", "2001:db8:ff::10/64"), network.host("server", "10.20.0.1/24", "2001:db8:ff::1/64")
    ends, web = Ends(client, server), Web(lab, client, server)
    ends.sh("sysctl -qw net.ipv6.conf.default.router_solicitations=0 net.mpls.platform_labels=1000 net.mpls.conf.eth0.input=1 net.mpls.conf.lo.input=1 "
            "net.ipv6.conf.all.seg6_enabled=1 net.ipv6.conf.eth0.seg6_enabled=1")
    with lab.record(filter=""):
        def labelled(third, label, device, tunnel):
            ends.sh(f"ip addr add 10.61.{third}.{{number}}/32 dev lo")
            way = device and f"dev {device}" or "via {there}"
            ends.sh(f"ip route add 10.61.{third}.{{other}}/32 encap mpls {label} {way} src 10.61.{third}.{{number}}")
            if device:
                ends.sh(f"sysctl -qw net.mpls.conf.{device}.input=1")
            web.connect(f"10.61.{third}.10", f"10.61.{third}.1", tunnel=tunnel)

        for label in (100, 200):
            ends.sh(f"ip -f mpls route add {label} dev lo")
        ends.sh("ip link add t3 type gre remote {there} local {here}")
        ends.sh("ip link add t4 type ipip mode mplsip remote {there} local {here}")
        ends.sh("ip link set t3 up")
        ends.sh("ip link set t4 up")
        labelled(1, "100", None, ["mpls"])
        labelled(2, "100/200", None, ["mpls"])
        labelled(3, "100", "t3", ["gre", "mpls"])
        labelled(4, "100", "t4", ["mpls"])

        ends.sh("ip link add link eth0 name s100 type vlan proto 802.1ad id 100")
        ends.sh("ip link set s100 up")
        for end, number in ((client, 10), (server, 1)):
            link(end, "c20", f"10.61.5.{number}/24", *"link s100 type vlan id 20".split())
        web.connect("10.61.5.10", "10.61.5.1", vlan=[100, 20], tunnel=[])

        key = "000102030405060708090a0b0c0d0e0f"
        ends.sh("ip link add link eth0 name m6 type macsec encrypt off")
        ends.sh(f"ip macsec add m6 tx sa 0 pn 1 on key 01 {key}")
        ends.sh("ip macsec add m6 rx port 1 address {mac}")
        ends.sh(f"ip macsec add m6 rx port 1 address {{mac}} sa 0 pn 1 on key 01 {key}")
        ends.sh("ip addr add 10.61.6.{number}/24 dev m6")
        ends.sh("ip link set m6 up")
        web.connect("10.61.6.10", "10.61.6.1", tunnel=[])

        def authenticated(low, prefix, mode, outer, tunnel):
            ends.sh(f"ip addr add {low}{{number}}/{prefix} dev eth0 nodad" if ":" in low else f"ip addr add {low}{{number}}/{prefix} dev eth0")
            around = f"{low}{{number}} {low}{{other}}".split() if mode == "transport" else outer
            for source, target, direction in ((*around, "out"), (*around[::-1], "in")):
                ends.sh(f"ip xfrm state add src {source} dst {target} proto ah spi 0x100 mode {mode} auth hmac(sha256) 0x{key * 2}")
                inner = f"{low}{{number}} {low}{{other}}".split()[::1 if direction == "out" else -1]
                template = f"tmpl src {source} dst {target} proto ah mode {mode}"
                ends.sh(f"ip xfrm policy add src {inner[0]} dst {inner[1]} dir {direction} {template}")
            web.connect(f"{low}10", f"{low}1", tunnel=tunnel)

        authenticated("10.61.7.", 24, "transport", None, [])
        authenticated("10.61.8.", 24, "tunnel", ["{here}", "{there}"], ["ipip"])
        authenticated("2001:db8:7::", 64, "transport", None, [])

        for number, (mode, tunnel) in enumerate((("inline", []), ("encap", ["ipip"])), 9):
            ends.sh(f"ip addr add 2001:db8:{number}::{{number}}/128 dev lo nodad")
            for end, other, own, hop in ((client, 1, 10, "2001:db8:ff::1"), (server, 10, 1, "2001:db8:ff::10")):
                end.sh(*f"ip -6 route add 2001:db8:{number}::{other}/128 encap seg6 mode {mode} segs {hop} dev eth0 src 2001:db8:{number}::{own}".split())
            web.connect(f"2001:db8:{number}::10", f"2001:db8:{number}::1", tunnel=tunnel)

        ends.sh("ip fou add port 4754 ipproto 47")
        for end, there, number in ((client, server, 10), (server, client, 1)):
            link(end, "t11", f"10.61.11.{number}/24", *f"type gre remote {there.ip} local {end.ip} key 11 encap fou encap-sport auto encap-dport 4754".split())
        web.connect("10.61.11.10", "10.61.11.1", tunnel=["gre"])
