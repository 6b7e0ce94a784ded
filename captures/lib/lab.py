"""One capture in the making: its network, its recorder, its certificates and its truth."""

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from .network import PREFIX, Network
from .pki import Authority
from .process import Background
from .recorder import Recorder
from .truth import Truth

SCENARIOS = {}  # capture's file name: (what it shows, function)
MODULES = {}  # capture's file name: the kernel modules without which it cannot be made


def scenario(file, shows, modules=""):
    """Registers a function that makes the capture `file`; with `modules` of the kernel, in a virtual machine that has them."""
    def register(function):
        SCENARIOS[file] = (shows, function)
        if modules:
            MODULES[file] = modules
        return function
    return register


class Lab:
    def __init__(self, tools, file, shows):
        self.tools, self.file = tools, file
        self.truth = Truth(file, shows)
        self.folder = Path(tempfile.mkdtemp(prefix="hellotap-captures-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self._stack = contextlib.ExitStack()
        self._authority, self._networks = None, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_truth(self):
        path = self.truth.write(self.tools.captures)
        # Endpoints name their files in warnings; the reader has no use for this machine's paths.
        for place in (self.tools.captures.parent, self.folder, self.tools.cache):
            if str(place) in path.read_text():
                raise RuntimeError(f"{path.name} holds the path {place}")

    def network(self, **options):
        self._networks.append(self._stack.enter_context(Network(**options)))
        return self._networks[-1]

    def start(self, background):
        """Starts a server that runs until the capture is done."""
        return self._stack.enter_context(background)

    @property
    def ca(self):
        if not self._authority:
            self._authority = Authority(self.folder / "pki")
        return self._authority

    @property
    def capture(self):
        return self.tools.captures / self.file

    def record(self, **options):
        """Records while the `with` block runs, into the capture's own file unless `path` says otherwise."""
        return Recorder(options.pop("path", self.capture), **{"filter": "tcp", **options})

    def bad_network(self, seed):
        """Puts a lossy wire between the two hosts of a `pair`, in the bridge's place."""
        network = self._networks[-1]
        for port in ("p1", "p2"):
            network.switch("ip", "link", "set", port, "nomaster", "promisc", "on")
        program = Path(__file__).with_name("bad_network.py")
        self.start(Background(["ip", "netns", "exec", f"{PREFIX}-switch", sys.executable, program, "p1", "p2", seed], ready="wire ready"))

    def trunk(self, sides):
        """Tears the network into two switches with a tagged trunk between them; `sides`: for "a" and "b", the hosts' names and their VLANs.

        Gives the interface on which the trunk is recorded.
        """
        network = self._networks[-1]
        network.switch("ip", "link", "add", "trunk", "type", "veth", "peer", "name", "far-end")
        ports = []
        for side, hosts in sides.items():
            for name, tag in hosts.items():
                port = f"p{list(network.hosts).index(name) + 1}"
                network.switch("ip", "link", "set", port, "nomaster")
                ports.append((side, port, tag))
        for device in ("trunk", "far-end", *(port for _, port, _ in ports)):
            network.switch("ip", "link", "set", device, "promisc", "on", "up")
        program = Path(__file__).with_name("tagging_switch.py")
        self.start(Background(["ip", "netns", "exec", f"{PREFIX}-switch", sys.executable, program, "trunk", "far-end",
                               *(f"{side}:{port}:{tag}" for side, port, tag in ports)], ready="switch ready"))
        return "trunk"

    def pair(self, client="10.20.0.10/24", server="10.20.0.1/24", **options):
        """The simplest network: one client, one server."""
        network = self.network(**options)
        return network.host("client", client), network.host("server", server)
