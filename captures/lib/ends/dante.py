"""Dante's danted, a SOCKS proxy."""

import functools
import subprocess

from ..process import Background

CONFIG = """
logoutput: stdout
internal: 0.0.0.0 port = {port}
external: eth0
clientmethod: none
socksmethod: {method}
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 log: connect error }}
socks block {{ from: 0.0.0.0/0 to: 0.0.0.0/0 port = 8443 log: connect error }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 log: connect error }}
"""


@functools.cache
def name():
    text = subprocess.run(["danted", "-v"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return "Dante " + text.split("v")[-1].split()[0].rstrip(".")


def server(host, folder, port=1080, method="none"):
    folder.mkdir(parents=True)
    config = folder / "danted.conf"
    config.write_text(CONFIG.format(port=port, method=method))
    return Background(host.enter("danted", "-f", config, "-N", "1", "-p", folder / "pid"), ready="running")
