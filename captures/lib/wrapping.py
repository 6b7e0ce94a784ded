"""A small packet builder: puts recorded packets into headers that no software at hand sends.

Each header is written down by the layout of its standard, with the lengths filled in; what lies
behind it is a real packet. That they are what they claim is for tshark to say (`scenarios/built.py`).
"""

import struct
from dataclasses import dataclass
from typing import Callable


def hexed(text):
    return bytes.fromhex(text)


class Outer:
    """The outer headers of one direction: the tunnel's ends are its own, so that none is taken for the inner ones."""

    ENDS = (10, 1)
    STATIONS = (hexed("02005e20000a"), hexed("02005e200001"))

    def __init__(self, from_client):
        turn = 1 if from_client else -1
        self.source, self.target = self.ENDS[::turn]
        self.mac, self.next_mac = self.STATIONS[::turn]
        self.from_client = from_client

    def ethernet(self, kind, payload):
        return self.next_mac + self.mac + struct.pack("!H", kind) + payload

    def ip(self, protocol, payload):
        """IPv4 over Ethernet."""
        ends = bytes((10, 20, 1, self.source, 10, 20, 1, self.target))
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0) + ends
        return self.ethernet(0x0800, header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload)

    def ipv6(self, next_header, payload):
        """An IPv6 packet, without a link layer."""
        ends = b"".join(hexed("20010db8 0001 000000000000000000") + bytes((end,)) for end in (self.source, self.target))
        return struct.pack("!IHBB", 0x60000000, len(payload), next_header, 64) + ends + payload

    def udp(self, port, payload):
        """Over IPv4 and Ethernet, to `port` both ways, as tunnels' datagrams are; without a checksum."""
        return self.ip(17, struct.pack("!HHHH", 40000 + port % 10000, port, 8 + len(payload), 0) + payload)

    def snap(self):
        """A data frame's header in 802.11, to an access point or from it, with LLC and SNAP for IPv4."""
        control, addresses = ("0801", (self.next_mac, self.mac, self.next_mac)) if self.from_client else ("0802", (self.next_mac, self.mac, self.mac))
        return hexed(control) + bytes(2) + b"".join(addresses) + bytes(2) + SNAP


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def docsis(frame):
    """Its header ends in a check sequence (CRC of ITU-T V.41, reflected)."""
    header, crc = bytes(2) + struct.pack("!H", len(frame) + 4), 0xFFFF
    for bit in (byte >> at & 1 for byte in header for at in range(8)):
        crc = crc >> 1 ^ (0x8408 if (crc ^ bit) & 1 else 0)
    return header + struct.pack("<H", crc ^ 0xFFFF) + frame + bytes(4)


SNAP = hexed("aaaa03 000000 0800")


@dataclass
class Carrier:
    name: str
    tunnel: list            # what the record calls it
    wrap: Callable          # (the outer headers of its direction, the recorded Ethernet frame): the frame to write
    link: int = 1           # the link type of what `wrap` gives


def block(kind, body):
    padded = body + bytes(-len(body) % 4)
    return struct.pack("<II", kind, 12 + len(padded)) + padded + struct.pack("<I", 12 + len(padded))


def write(path, parts):
    """A pcapng with an interface for each part, a carrier and its recorded packets."""
    out = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    out += [block(1, struct.pack("<HHI", carrier.link, 0, 0) + option(2, carrier.name.encode()) + option(0, b"")) for carrier, _ in parts]
    for number, (carrier, packets) in enumerate(parts):
        for packet in packets:
            frame, time = carrier.wrap(Outer(packet.ports[1] == 443), packet.frame), round(packet.seconds * 1e6)
            out.append(block(6, struct.pack("<IIIII", number, time >> 32, time & 0xFFFFFFFF, len(frame), len(frame)) + frame))
    path.write_bytes(b"".join(out))


def option(code, value):
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def inner_ip(wrap):
    """For carriers of IP packets: `wrap` takes the packet out of the recorded frame."""
    return lambda outer, frame: wrap(outer, frame[14:])


TUNNELS = [
    Carrier("pseudowire", ["mpls", "pseudowire"], lambda o, f: o.ethernet(0x8847, hexed("00010140") + f)),
    Carrier("pseudowire with a control word", ["mpls", "pseudowire"], lambda o, f: o.ethernet(0x8847, hexed("00010140 00000000") + f)),
    Carrier("PPP bridging in PPPoE", ["pppoe"], lambda o, f: o.ethernet(0x8864, hexed("11 00 0001") + struct.pack("!H", len(f) + 4) + hexed("0031 00 01") + f)),
    Carrier("EoIP", ["gre"], lambda o, f: o.ip(47, hexed("2001 6400") + struct.pack("!H", len(f)) + hexed("0100") + f)),
    Carrier("WCCP", ["gre"], inner_ip(lambda o, p: o.ip(47, hexed("0000 883e 00000000") + p))),
    Carrier("ERSPAN III with a subheader", ["erspan"], lambda o, f: o.ip(47, hexed("1000 22eb 00000001 2001000a 00000000 00000001 0000000000000000") + f)),
    Carrier("EtherIP", ["etherip"], lambda o, f: o.ip(97, hexed("3000") + f)),
    Carrier("Ethernet in IPv6", ["etherip"], lambda o, f: o.ethernet(0x86DD, o.ipv6(143, f))),
    Carrier("VXLAN-GPE with NSH", ["vxlan", "nsh"], lambda o, f: o.udp(4790, hexed("0c000004 00000100 0fc2 0203 00000101") + f)),
    Carrier("GENEVE with an option", ["geneve"], inner_ip(lambda o, p: o.udp(6081, hexed("0240 0800 00000100 0102 8001 aabbccdd") + p))),
    Carrier("GTP-U with an extension", ["gtp"], inner_ip(lambda o, p: o.udp(2152, hexed("34 ff") + struct.pack("!H", len(p) + 8) + hexed("00000001 0000 00 85  01 0009 00") + p))),
    Carrier("TZSP", ["tzsp"], lambda o, f: o.udp(37008, hexed("01 00 0001 00 0a0100 01") + f)),
    Carrier("TZSP with 802.11", ["tzsp"], inner_ip(lambda o, p: o.udp(37008, hexed("01 00 0012 01") + o.snap() + p))),
    Carrier("CAPWAP with Ethernet", ["capwap"], lambda o, f: o.udp(5247, hexed("00 100000 00000000") + f)),
    Carrier("CAPWAP with 802.11", ["capwap"], inner_ip(lambda o, p: o.udp(5247, hexed("00 100300 00000000") + o.snap() + p))),
    Carrier("AYIYA", ["ayiya", "ipip"], inner_ip(lambda o, p: o.udp(5072, hexed("41 52 11 29 00000000") + bytes(36) + o.ipv6(4, p)))),
    Carrier("VN-Tag", ["vntag"], inner_ip(lambda o, p: o.ethernet(0x8926, hexed("00000001 0800") + p))),
    Carrier("E-TAG", [], inner_ip(lambda o, p: o.ethernet(0x893F, hexed("000000000000 0800") + p))),
    Carrier("802.1ah", ["pbb"], lambda o, f: o.ethernet(0x88E7, hexed("00000001") + f)),
    Carrier("NSH", ["nsh"], lambda o, f: o.ethernet(0x894F, hexed("0fc2 0203 00000101") + f)),
    Carrier("Cisco MetaData", [], inner_ip(lambda o, p: o.ethernet(0x8909, hexed("01 01 0001 0002 0800") + p))),
    Carrier("redundancy tag", [], inner_ip(lambda o, p: o.ethernet(0xF1C1, hexed("0000 0001 0800") + p))),
]

LINKS = [
    Carrier("null", [], inner_ip(lambda o, p: hexed("02000000") + p), 0),
    Carrier("loop", [], inner_ip(lambda o, p: hexed("00000002") + p), 108),
    Carrier("PPP", [], inner_ip(lambda o, p: hexed("ff03 0021") + p), 9),
    Carrier("raw, as BSD's", [], inner_ip(lambda o, p: p), 12),
    Carrier("raw, as OpenBSD's", [], inner_ip(lambda o, p: p), 14),
    Carrier("IPv4", [], inner_ip(lambda o, p: p), 228),
    Carrier("IPv6, with IPv4 in it", ["ipip"], inner_ip(lambda o, p: o.ipv6(4, p)), 229),
    Carrier("PPP, serial", [], inner_ip(lambda o, p: hexed("ff03 0021") + p), 50),
    Carrier("PPPoE", ["pppoe"], inner_ip(lambda o, p: hexed("11 00 0001") + struct.pack("!H", len(p) + 2) + hexed("0021") + p), 51),
    Carrier("FDDI", [], inner_ip(lambda o, p: hexed("50") + o.next_mac + o.mac + SNAP + p), 10),
    Carrier("ATM", [], inner_ip(lambda o, p: SNAP + p), 100),
    Carrier("Cisco HDLC", [], inner_ip(lambda o, p: hexed("0f00 0800") + p), 104),
    Carrier("frame relay", [], inner_ip(lambda o, p: hexed("1841 03 cc") + p), 107),
    Carrier("OpenBSD's IPsec interface", [], inner_ip(lambda o, p: hexed("02000000 00000000 00000000") + p), 109),
    Carrier("OpenBSD's packet filter", [], inner_ip(lambda o, p: hexed("3d 02 00 00") + bytes(60) + p), 117),
    Carrier("Prism", [], inner_ip(lambda o, p: hexed("44000000 90000000") + bytes(136) + o.snap() + p), 119),
    Carrier("DOCSIS", [], lambda _, f: docsis(f), 143),
    Carrier("AVS", [], inner_ip(lambda o, p: hexed("80211001 00000040") + bytes(56) + o.snap() + p), 163),
    Carrier("PPI", [], inner_ip(lambda o, p: hexed("00 00 0800 69000000") + o.snap() + p), 192),
    Carrier("IP over InfiniBand", [], inner_ip(lambda o, p: bytes(40) + hexed("0800 0000") + p), 242),
]
