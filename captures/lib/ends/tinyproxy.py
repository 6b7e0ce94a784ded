"""tinyproxy: an HTTP proxy that grants CONNECT to port 443 alone."""

import functools
import subprocess

from ..process import Background

CONFIG = """
Port 3128
Listen 0.0.0.0
Timeout 20
MaxClients 20
LogLevel Info
ConnectPort 443
"""


@functools.cache
def name():
    return subprocess.run(["tinyproxy", "-v"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def server(host, folder):
    folder.mkdir(parents=True)
    (folder / "tinyproxy.conf").write_text(CONFIG)
    return Background(host.enter("tinyproxy", "-d", "-c", folder / "tinyproxy.conf"), ready="Accepting connections")
