"""A wire between two interfaces that loses, delays and doubles frames. Run as a program where the interfaces are.

bad_network.py INTERFACE INTERFACE SEED
"""

import heapq
import random
import select
import socket
import sys
import time

LOSS, DOUBLE, LATE = 0.07, 0.10, 0.15
USUAL_DELAY_S, LATE_BY_S = 0.005, 0.02
ETH_P_ALL, OUTGOING = 3, 4


def main(first, second, seed):
    chance = random.Random(int(seed))
    ends = []
    for name in (first, second):
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        end.bind((name, ETH_P_ALL))
        ends.append(end)
    waiting, number = [], 0
    print("wire ready", flush=True)
    while True:
        patience = max(0, waiting[0][0] - time.monotonic()) if waiting else 1
        for end in select.select(ends, [], [], patience)[0]:
            frame, address = end.recvfrom(65536)
            if address[2] == OUTGOING:
                continue
            other = ends[1 - ends.index(end)]
            for _ in range(0 if chance.random() < LOSS else 2 if chance.random() < DOUBLE else 1):
                delay = USUAL_DELAY_S + (LATE_BY_S * chance.random() if chance.random() < LATE else 0)
                number += 1
                heapq.heappush(waiting, (time.monotonic() + delay, number, other, frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, other, frame = heapq.heappop(waiting)
            other.send(frame)


if __name__ == "__main__":
    main(*sys.argv[1:])
