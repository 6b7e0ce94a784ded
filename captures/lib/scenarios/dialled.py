"""Tunnels that one dials or is given: PPPoE, L2TP, PPTP, GTP."""

import time

from ..lab import scenario
from ..process import Background, run
from .encapsulations import Ends, Web, link

PPP = "noauth\nnodetach\nnoccp\nnobsdcomp\nnodeflate\nnovj\nnoipv6\nnodefaultroute\nlcp-echo-interval 0\nmtu 1400\nmru 1400\n"


def wait_for_address(host, address, seconds=30):
    end = time.monotonic() + seconds
    while address not in host.sh("ip", "-4", "addr"):
        if time.monotonic() > end:
            raise RuntimeError(f"{host.name} was not given {address}:\n{host.sh('ip', 'addr')}")
        time.sleep(0.1)


class Dialled:
    """A client's call at a server, both running as long as the `with` block; the server gives the address `ip` and has `peer`."""

    def __init__(self, client, third, *programs, given=10):
        self.client, self.ip, self.peer = client, f"10.62.{third}.{given}", f"10.62.{third}.1"
        self.programs = programs
        self.running = []

    def __enter__(self):
        for host, words in self.programs:
            self.running.append(Background(host.enter(*words)).__enter__())
            time.sleep(1)
        try:
            wait_for_address(self.client, self.ip)
        except RuntimeError as error:
            said = "\n".join(program.text for program in self.running)
            self.__exit__()
            raise RuntimeError(f"{error}\n{said}") from error
        return self

    def __exit__(self, *_):
        for program in reversed(self.running):
            program.stop()
        time.sleep(0.5)


def pppoe(lab, client, server):
    options = lab.folder / "pppoe"
    options.write_text(PPP)
    return Dialled(client, 1, (server, ["pppoe-server", "-F", "-k", "-I", "eth0", "-L", "10.62.1.1", "-R", "10.62.1.10", "-O", options]),
                   (client, ["pppd", "plugin", "rp-pppoe.so", "eth0", "file", options]))


def l2tp(lab, client, server):
    ppp = lab.folder / "l2tp-ppp"
    ppp.write_text(PPP.replace("nodetach\n", ""))
    words = {}
    for host, section in ((server, f"[lns default]\nip range = 10.62.2.10-10.62.2.10\nlocal ip = 10.62.2.1\nrequire authentication = no\npppoptfile = {ppp}\n"),
                          (client, f"[lac server]\nlns = {server.ip}\nautodial = yes\nrequire authentication = no\npppoptfile = {ppp}\n")):
        config = lab.folder / f"xl2tpd-{host.name}.conf"
        config.write_text(f"[global]\nport = 1701\n{section}")
        words[host] = ["xl2tpd", "-D", "-c", config, "-C", lab.folder / f"{host.name}.control", "-p", lab.folder / f"{host.name}.pid"]
    return Dialled(client, 2, (server, words[server]), (client, words[client]))


def pptp(lab, client, server):
    options, config = lab.folder / "pptp-ppp", lab.folder / "pptpd.conf"
    options.write_text(PPP)
    config.write_text(f"option {options}\nlocalip 10.62.3.1\nremoteip 10.62.3.10\n")
    return Dialled(client, 3, (server, ["pptpd", "-f", "-c", config, "-p", lab.folder / "pptpd.pid"]),
                   (client, ["pppd", "pty", f"pptp {server.ip} --nolaunchpppd", "file", options]))


def recorded_line(lab, client, server, recording):
    """Two of pppd on one line, what passes on it recorded by the client's."""
    options = lab.folder / "line-ppp"
    options.write_text(PPP)
    far = " ".join(map(str, server.enter("pppd", "notty", "10.62.8.1:10.62.8.10", "file", options)))
    return Dialled(client, 8, (client, ["pppd", "pty", far, "record", recording, "file", options]))


def gtp(lab, client, server):
    config, state = lab.folder / "ggsn.cfg", lab.folder / "sgsn"
    state.mkdir()
    config.write_text(f"ggsn ggsn0\n gtp state-dir {lab.folder}\n gtp bind-ip {server.ip}\n apn internet\n  gtpu-mode tun\n  tun-device tun4\n  type-support v4\n"
                      "  ip prefix dynamic 10.62.4.8/29\n  ip ifconfig 10.62.4.1/24\n  no shutdown\n default-apn internet\n no shutdown ggsn\n")
    return Dialled(client, 4, (server, ["osmo-ggsn", "-c", config]),
                   (client, ["sgsnemu", "--listen", client.ip, "--remote", server.ip, "--imsi", "001010123456789", "--apn", "internet", "--createif", "--statedir", state]), given=9)


@scenario("dialled.pcap", "Tunnels that one dials, HTTPS with TLS 1.0, 1.2 and 1.3 in turn: PPPoE, L2TP, PPTP, GTP-U; and L2TPv3 over UDP and over IP, without a cookie and with one",
          modules="ppp_async pppoe l2tp_ppp l2tp_eth l2tp_ip")
def dialled(lab):
    client, server = lab.pair()
    web = Web(lab, client, server)
    versions = [run(["dpkg-query", "-W", "-f", "${Package} ${Version}", package]).partition("+")[0] for package in ("pppoe", "ppp", "xl2tpd", "pptpd", "pptp-linux", "osmo-ggsn")]
    lab.truth.uses(*versions)
    ends = Ends(client, server)
    with lab.record(filter=""):
        for dial, tunnel in ((pppoe, ["pppoe"]), (l2tp, ["l2tp"]), (pptp, ["gre", "ppp"]), (gtp, ["gtp"])):
            with dial(lab, client, server) as call:
                if dial is gtp:
                    client.sh("ip", "route", "add", call.peer, "dev", "tun0")
                web.connect(call.ip, call.peer, tunnel=tunnel)
        for number, (way, cookie) in enumerate((("udp udp_sport 1701 udp_dport 1701", ""), ("ip", "cookie 0011223344556677 peer_cookie 0011223344556677"), ("ip", "")), 5):
            ends.sh(f"ip l2tp add tunnel local {{here}} remote {{there}} tunnel_id {number} peer_tunnel_id {number} encap {way}")
            ends.sh(f"ip l2tp add session name l{number} tunnel_id {number} session_id {number} peer_session_id {number} {cookie}")
            ends.sh(f"ip addr add 10.62.{number}.{{number}}/24 dev l{number}")
            ends.sh(f"ip link set l{number} up mtu 1400")
            web.connect(f"10.62.{number}.10", f"10.62.{number}.1", tunnel=["l2tp"])
