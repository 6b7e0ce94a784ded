"""tcpdump on the bridge: the one place that sees each packet once."""

import signal
import time

from .network import PREFIX
from .process import Background


class Recorder:
    """Records to `path` while its `with` block runs."""

    def __init__(self, path, device="lan", where="switch", options=(), filter="tcp or udp port 443"):
        namespace = where if where.startswith(PREFIX) else f"{PREFIX}-{where}"
        # Immediate mode: else the kernel holds the last packets back, and tcpdump ends without them.
        self.words = ["ip", "netns", "exec", namespace, "tcpdump", "-i", device, "-s", "0", "-U", "-n", "-Z", "root", "--immediate-mode",
                      "-w", str(path), *options, filter]

    def __enter__(self):
        self.tcpdump = Background(self.words, ready="listening on", end_signal=signal.SIGINT)
        self.tcpdump.__enter__()
        time.sleep(0.2)
        return self

    def __exit__(self, *_):
        time.sleep(0.5)  # The last FIN and ACK.
        self.tcpdump.stop()
