"""Classic pcap files, read and written whole: for captures that are cut out of another."""

import struct
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Packet:
    seconds: float
    header: bytes
    frame: bytes

    def _ip(self):
        return self.frame[14:]

    @property
    def source(self):
        return ".".join(str(b) for b in self._ip()[12:16])

    @property
    def ports(self):
        at = (self._ip()[0] & 15) * 4
        return struct.unpack("!HH", self._ip()[at:at + 4])

    @property
    def payload(self):
        ip = self._ip()
        tcp = ip[(ip[0] & 15) * 4:struct.unpack("!H", ip[2:4])[0]]
        return tcp[(tcp[12] >> 4) * 4:]


def read(path):
    """The file's header and its packets (IPv4 over Ethernet, little endian, microseconds: as tcpdump writes them here)."""
    data, packets, at = Path(path).read_bytes(), [], 24
    while at + 16 <= len(data):
        seconds, micros, length, _ = struct.unpack("<IIII", data[at:at + 16])
        packets.append(Packet(seconds + micros / 1e6, data[at:at + 16], data[at + 16:at + 16 + length]))
        at += 16 + length
    return data[:24], packets


def write(path, head, packets):
    Path(path).write_bytes(head + b"".join(p.header + p.frame for p in packets))


def cut(source, target, keep):
    """Writes those packets of `source` for which `keep(packet)` holds; gives how many were left out."""
    head, packets = read(source)
    kept = [p for p in packets if keep(p)]
    write(target, head, kept)
    return len(packets) - len(kept)
