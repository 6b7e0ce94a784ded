"""A small network of namespaces: hosts on a bridge, each with its own address and MAC.

Nothing of it touches the machine's own network: bridges and links live in namespaces too, and all
are removed when the `Network` is closed. A host with `behind="gateway"` sits on a second bridge,
reached through a router, so that the capture shows it with the router's MAC, as at a real office.
"""

import ipaddress
import itertools
import subprocess

PREFIX = "htcap"


def sh(*words, check=True):
    """Runs a command to its end and gives back what it printed."""
    done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


class Host:
    """One namespace with one interface, `eth0`."""

    def __init__(self, network, name, addresses, mac):
        self.network, self.name, self.mac = network, name, mac
        self.namespace = f"{PREFIX}-{name}"
        self.addresses = [ipaddress.ip_interface(a) for a in addresses]
        self._ports = itertools.count(network.first_client_port(), 7)

    @property
    def ip(self):
        return str(self.addresses[0].ip)

    def enter(self, *words):
        """The command line that runs `words` inside this host."""
        return ["ip", "netns", "exec", self.namespace, *map(str, words)]

    def sh(self, *words, check=True):
        return sh(*self.enter(*words), check=check)

    def next_port(self):
        """Lets the kernel give the next connection one known client port, whatever the client is."""
        port = next(self._ports)
        self.use_ports(port, port)
        return port

    def use_ports(self, low, high):
        self.sh("sysctl", "-qw", f"net.ipv4.ip_local_port_range={low} {high}")


class Network:
    """The namespaces of one capture, as a context manager."""

    def __init__(self, mtu=1500):
        self.mtu = mtu
        self.hosts, self._namespaces, self._port_base = {}, [], itertools.count(40000, 1000)
        self.gateway, self._bridges = None, []

    def __enter__(self):
        self._clean_leftovers()
        self._namespace("switch")
        self._bridge("lan")
        return self

    def __exit__(self, *_):
        for namespace in reversed(self._namespaces):
            self._remove(namespace)
        self._namespaces.clear()

    def first_client_port(self):
        return next(self._port_base) % 20000 + 40000

    def host(self, name, *addresses, mac=None, behind=None, on="lan", mtu=None):
        """Adds a host, on the bridge `on` or `behind` the router. `addresses` carry their prefix length ("10.0.0.2/24")."""
        number = len(self.hosts) + 1
        host = Host(self, name, addresses, mac or f"02:00:5e:10:00:{number:02x}")
        self._namespace(name)
        bridge = "wan" if behind else on
        if bridge not in self._bridges:
            self._bridge(bridge)
        self._cable(host.namespace, "eth0", f"p{number}", bridge, host.mac)
        if mtu or self.mtu != 1500:
            host.sh("ip", "link", "set", "eth0", "mtu", mtu or self.mtu)
        for address in addresses:
            nodad = ["nodad"] if ":" in address else []
            host.sh("ip", "addr", "add", address, "dev", "eth0", *nodad)
        if behind:
            host.sh("ip", "route", "add", "default", "via", "100.64.0.1", "dev", "eth0", "onlink")
            self.gateway.sh("ip", "route", "add", f"{host.ip}/32", "dev", "eth1")
        elif self.gateway:
            host.sh("ip", "route", "add", "default", "via", self.gateway.ip)
        self.hosts[name] = host
        return host

    def router(self, name, address, mac):
        """Adds the router between the bridge that is captured and the world behind it."""
        self._bridge("wan")
        self.gateway = self.host(name, address, mac=mac)
        self._cable(self.gateway.namespace, "eth1", "uplink", "wan", "02:00:5e:10:ff:01")
        self.gateway.sh("ip", "addr", "add", "100.64.0.1/32", "dev", "eth1")
        self.gateway.sh("sysctl", "-qw", "net.ipv4.ip_forward=1")
        return self.gateway

    def switch(self, *words, check=True):
        """Runs a command where the bridges are."""
        return sh("ip", "netns", "exec", f"{PREFIX}-switch", *words, check=check)

    def _bridge(self, name):
        self._bridges.append(name)
        self.switch("ip", "link", "add", name, "type", "bridge", "forward_delay", 0, "stp_state", 0, "mcast_snooping", 0)
        self.switch("ip", "link", "set", name, "up")
        # The bridge forwards; it is nobody's address.
        self.switch("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1", check=False)

    def _namespace(self, name):
        namespace = f"{PREFIX}-{name}"
        sh("ip", "netns", "add", namespace)
        self._namespaces.append(namespace)
        sh("ip", "netns", "exec", namespace, "ip", "link", "set", "lo", "up")
        for key in ("all", "default"):
            sh("ip", "netns", "exec", namespace, "sysctl", "-qw", f"net.ipv6.conf.{key}.accept_dad=0", check=False)

    def _cable(self, namespace, device, port, bridge, mac):
        switch = f"{PREFIX}-switch"
        sh("ip", "link", "add", device, "netns", namespace, "address", mac, "type", "veth",
           "peer", "name", port, "netns", switch)
        # Packets shall look as on a wire: no segments larger than the MTU, checksums filled in.
        for where, which in ((namespace, device), (switch, port)):
            sh("ip", "netns", "exec", where, "ethtool", "-K", which, "tx", "off", "gso", "off", "tso", "off", "gro", "off")
            sh("ip", "netns", "exec", where, "ip", "link", "set", which, "up")
        sh("ip", "netns", "exec", switch, "ip", "link", "set", port, "master", bridge)

    def _clean_leftovers(self):
        """Removes what a run that was killed has left; the prefix is ours alone."""
        for line in sh("ip", "netns", "list").splitlines():
            if line.startswith(f"{PREFIX}-"):
                self._remove(line.split()[0])

    @staticmethod
    def _remove(namespace):
        # What a server left running there was started by us, in a namespace of ours.
        for pid in sh("ip", "netns", "pids", namespace, check=False).split():
            sh("kill", pid, check=False)
        sh("ip", "netns", "del", namespace, check=False)
