"""Two namespaces with a cable between them: all clients in one, all servers in the other.

Each client configuration has a number N. It reaches the servers at 10.77.0.0/17's Nth address, and the route to that
address makes the kernel send from 10.77.128.0/17's Nth: so each configuration shows as an address of its own,
whatever program it is, without a namespace for each.
"""

import itertools
import os
import signal
import time

from lib.network import sh
from lib.process import Background

# Names of the namespaces begin so; another name lets a second run go beside.
PREFIX = os.environ.get("HELLOTAP_CUTOVER_NAME", "htcut")


class Place:
    """One of the two namespaces."""

    def __init__(self, name):
        self.namespace = f"{PREFIX}-{name}"

    def enter(self, *words):
        """The command line that runs `words` here."""
        return ["ip", "netns", "exec", self.namespace, *map(str, words)]

    def sh(self, *words):
        return sh(*self.enter(*words))


class Network:
    """Made on entering, removed on leaving; what is still running in it then was started by us and is ended."""

    def __init__(self):
        self.clients, self.servers = Place("clients"), Place("servers")
        self._ports = itertools.count(10001)

    def __enter__(self):
        for place in (self.clients, self.servers):
            self._remove(place)
            sh("ip", "netns", "add", place.namespace)
        sh("ip", "link", "add", "eth0", "netns", self.clients.namespace, "type", "veth", "peer", "name", "eth0", "netns", self.servers.namespace)
        for place, first, all_of_it, beyond in ((self.clients, address(128, 0), "10.77.128.0/17", None),
                                                (self.servers, address(0, 0), "10.77.0.0/17", "10.77.128.0/17")):
            for device in ("lo", "eth0"):
                place.sh("ip", "link", "set", device, "up")
            # Packets shall look as on a wire: no segments larger than the MTU, checksums filled in.
            place.sh("ethtool", "-K", "eth0", "tx", "off", "gso", "off", "tso", "off", "gro", "off")
            place.sh("ip", "addr", "add", f"{first}/32", "dev", "eth0")
            place.sh("ip", "route", "add", "local", all_of_it, "dev", "lo")
            if beyond:
                place.sh("ip", "route", "add", beyond, "dev", "eth0", "src", first)
        return self

    def __exit__(self, *_):
        for place in (self.clients, self.servers):
            self._remove(place)

    def client_address(self, number):
        return address(128, number)

    def server_address(self, number):
        """Where the client with that number finds the servers."""
        return address(0, number)

    def admit(self, number):
        """Gives the client with that number its route, and so its address."""
        self.clients.sh("ip", "route", "replace", f"{address(0, number)}/32", "dev", "eth0", "src", address(128, number))

    def wait_for_listeners(self, ports, seconds=20):
        """Until servers listen at all of `ports`; what a program prints of its readiness comes before it with some."""
        wanted, end = set(ports), time.monotonic() + seconds
        while missing := wanted - {int(line.split()[3].rpartition(":")[2]) for line in self.servers.sh("ss", "-Hltn").splitlines()}:
            if time.monotonic() > end:
                raise RuntimeError(f"nothing listens at {sorted(missing)}")
            time.sleep(0.05)

    def next_port(self):
        return next(self._ports)

    def record(self, path, ports):
        return Recorder(self.servers, path, ports)

    @staticmethod
    def _remove(place):
        if place.namespace not in sh("ip", "netns", "list"):
            return
        for pid in sh("ip", "netns", "pids", place.namespace, check=False).split():
            sh("kill", "-9", pid, check=False)
        sh("ip", "netns", "del", place.namespace, check=False)


def address(half, number):
    return f"10.77.{half + (number + 1) // 256}.{(number + 1) % 256}"


class Recorder:
    """tcpdump in the servers' namespace while the `with` block runs."""

    def __init__(self, place, path, ports):
        only = " or ".join(f"port {port}" for port in ports)
        # Immediate mode: else the kernel holds the last packets back, and tcpdump ends without them.
        self.words = place.enter("tcpdump", "-i", "eth0", "-s", "0", "-U", "-n", "-Z", "root", "--immediate-mode", "-w", path, f"tcp and ({only})")

    def __enter__(self):
        self.tcpdump = Background(self.words, ready="listening on", end_signal=signal.SIGINT)
        self.tcpdump.__enter__()
        time.sleep(0.2)
        return self

    def __exit__(self, *_):
        time.sleep(0.5)  # The last FIN and ACK.
        self.tcpdump.stop()
