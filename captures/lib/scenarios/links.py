"""Captures of other link types, as Linux's own interfaces and tools give them."""

import signal
import time

from ..lab import scenario
from ..network import PREFIX, sh
from ..process import Background
from .dialled import recorded_line
from .encapsulations import Web, link
from .formats import two_connections


@scenario("cooked.pcap", "Linux's cooked capture, version 1 (tcpdump -i any): TLS 1.0 and 1.3")
def cooked(lab):
    two_connections(lab, device="any", where="server", options=("-y", "LINUX_SLL"))


@scenario("cooked-2.pcap", "Linux's cooked capture, version 2 (tcpdump -i any): TLS 1.0 and 1.3")
def cooked_2(lab):
    two_connections(lab, device="any", where="server", options=("-y", "LINUX_SLL2"))


@scenario("mirrored.pcap", "Each packet at several places of its path (tcpdump -i any on the switch), as a mirror of more than one port gives it: TLS 1.0 and 1.3")
def mirrored(lab):
    two_connections(lab, device="any", options=("-y", "LINUX_SLL2"))


@scenario("raw-ip.pcap", "Packets without a link layer (tcpdump on the inside of 6in4): TLS 1.0, 1.2 and 1.3", modules="sit")
def raw_ip(lab):
    client, server = lab.pair()
    web = Web(lab, client, server)
    for end, there, number in ((client, server, 10), (server, client, 1)):
        link(end, "t1", f"2001:db8:1::{number}/64", *f"type sit remote {there.ip} local {end.ip}".split())
    with lab.record(device="t1", where="server"):
        for _ in range(3):
            web.connect("2001:db8:1::10", "2001:db8:1::1", tunnel=[])


@scenario("nflog.pcap", "What a firewall logs of packets (tcpdump -i nflog): TLS 1.0, 1.2 and 1.3", modules="nfnetlink_log xt_NFLOG xt_tcpudp ip_tables iptable_filter nft_compat nf_tables")
def nflog(lab):
    client, server = lab.pair()
    web = Web(lab, client, server)
    for chain in ("INPUT", "OUTPUT"):
        server.sh("iptables", "-A", chain, "-p", "tcp", "-j", "NFLOG", "--nflog-group", 5)
    with lab.record(device="nflog:5", where="server", filter=""):
        for _ in range(3):
            web.connect(client.ip, server.ip, tunnel=[])


@scenario("mixed-links.pcapng", "A pcapng by dumpcap with three link types: Ethernet, raw IP and cooked, TLS 1.0, 1.2 and 1.3", modules="sit")
def mixed_links(lab):
    client, server = lab.pair()
    web = Web(lab, client, server)
    lab.truth.uses("dumpcap " + sh("dumpcap", "--version").split("(Wireshark)")[1].split()[0])
    for end, there, number in ((client, server, 10), (server, client, 1)):
        link(end, "t1", f"2001:db8:1::{number}/64", *f"type sit remote {there.ip} local {end.ip}".split())
        end.sh("ip", "addr", "add", f"10.63.1.{number}/24", "dev", "eth0")
    words = ["dumpcap", "-q", "-i", "eth0", "-f", "tcp and net 10.20.0.0/24", "-i", "t1", "-f", "tcp", "-i", "any", "-f", "tcp and net 10.63.1.0/24", "-w", lab.capture]
    with Background(server.enter(*words), ready="File:", end_signal=signal.SIGINT):
        time.sleep(2)
        for client_ip, server_ip in ((client.ip, server.ip), ("2001:db8:1::10", "2001:db8:1::1"), ("10.63.1.10", "10.63.1.1")):
            web.connect(client_ip, server_ip, tunnel=[])
        time.sleep(2)  # dumpcap hands its packets on in blocks.


@scenario("ppp.pcap", "What pppd recorded of its own line: TLS 1.0, 1.2 and 1.3", modules="ppp_async")
def ppp(lab):
    client, server = lab.pair()
    web = Web(lab, client, server)
    recording = lab.folder / "line"
    with recorded_line(lab, client, server, recording) as call:
        for _ in range(3):
            web.connect(call.ip, call.peer, tunnel=[])
    sh("editcap", "-F", "pcap", recording, lab.capture)


@scenario("wifi.pcap", "802.11 with radiotap headers, an open network: TLS 1.0, 1.2 and 1.3", modules="mac80211_hwsim")
def wifi(lab):
    record_wifi(lab, lab.capture)


@scenario("wifi-bare.pcap", "802.11 without radiotap headers, an open network: TLS 1.0, 1.2 and 1.3", modules="mac80211_hwsim")
def wifi_bare(lab):
    with_radiotap = lab.folder / "radiotap.pcap"
    record_wifi(lab, with_radiotap)
    # All headers have the length that the first has: data frames alone were recorded.
    length = int.from_bytes(with_radiotap.read_bytes()[24 + 16 + 2:][:2], "little")
    sh("editcap", "-F", "pcap", "-L", "-C", f"0:{length}", "-T", "ieee-802-11", with_radiotap, lab.capture)


def record_wifi(lab, path):
    """An access point with a web server, and a station, on the kernel's simulated radios."""
    client, server = lab.pair()
    web = Web(lab, client, server)
    for number, end in enumerate((server, client)):
        sh("iw", "phy", f"phy{number}", "set", "netns", "name", end.namespace)
        end.sh("ip", "addr", "add", f"10.63.2.{1 if end is server else 10}/24", "dev", f"wlan{number}")
    config = lab.folder / "hostapd.conf"
    config.write_text("interface=wlan0\nssid=office\nhw_mode=g\nchannel=6\n")
    lab.start(Background(server.enter("hostapd", config), ready="AP-ENABLED"))
    client.sh("ip", "link", "set", "wlan1", "up")
    client.sh("iw", "dev", "wlan1", "connect", "office")
    end = time.monotonic() + 30
    while "Connected to" not in client.sh("iw", "dev", "wlan1", "link"):
        if time.monotonic() > end:
            raise RuntimeError("no association")
        time.sleep(0.2)
    # The radio that hears all stays in the machine's own namespace, which gets a name for the recorder.
    sh("ip", "netns", "attach", f"{PREFIX}-air", 1)
    sh("ip", "link", "set", "hwsim0", "up")
    with lab.record(path=path, device="hwsim0", where="air", filter="type data"):
        for _ in range(3):
            web.connect("10.63.2.10", "10.63.2.1", tunnel=[])
    sh("ip", "netns", "del", f"{PREFIX}-air")
