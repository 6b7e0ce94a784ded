"""Two small switches with a trunk between them, for kernels that have no VLANs: adds and takes off 802.1Q tags. Run where the interfaces are.

tagging_switch.py TRUNK_A TRUNK_B SIDE:INTERFACE:VLAN...        (SIDE is a or b)
"""

import select
import socket
import struct
import sys

ETH_P_ALL, OUTGOING, TPID = 3, 4, 0x8100
SOL_PACKET, PACKET_AUXDATA = 263, 8
AUXDATA = struct.Struct("IIIHHHH")  # status, length, captured, mac, net, tag, kind of tag


def opened(interface):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)  # The kernel takes a tag off what it receives, and tells it here.
    end.bind((interface, ETH_P_ALL))
    return end


def main(trunk_a, trunk_b, *ports):
    trunks = {"a": opened(trunk_a), "b": opened(trunk_b)}
    access = {}  # socket: (side, tag)
    for port in ports:
        side, interface, tag = port.split(":")
        access[opened(interface)] = (side, int(tag))
    print("switch ready", flush=True)
    while True:
        for end in select.select([*trunks.values(), *access], [], [])[0]:
            frame, auxiliary, _, address = end.recvmsg(65536, 256)
            if address[2] == OUTGOING:
                continue
            if end in access:
                side, tag = access[end]
                trunks[side].send(frame[:12] + struct.pack("!HH", TPID, tag) + frame[12:])
                continue
            side = "a" if end is trunks["a"] else "b"
            tag = next((AUXDATA.unpack(data[:AUXDATA.size])[5] for level, kind, data in auxiliary if (level, kind) == (SOL_PACKET, PACKET_AUXDATA)), 0)
            for other, place in access.items():
                if place == (side, tag & 0x0FFF):
                    other.send(frame)


if __name__ == "__main__":
    main(*sys.argv[1:])
