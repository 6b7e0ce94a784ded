"""HAProxy, passing connections on with a PROXY header in front."""

import functools
import subprocess

from ..process import Background

CONFIG = """
global
  log stdout format raw local0
defaults
  mode tcp
  log global
  option tcplog
  timeout connect 5s
  timeout client 20s
  timeout server 20s
"""


@functools.cache
def name():
    return "HAProxy " + subprocess.run(["haproxy", "-v"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[2].partition("-")[0]


def server(host, folder, *routes):
    """`routes`: (port, target, "send-proxy" or "send-proxy-v2")."""
    folder.mkdir(parents=True)
    config = folder / "haproxy.cfg"
    config.write_text(CONFIG + "".join(f"listen l{port}\n  bind 0.0.0.0:{port}\n  server s {target} {how}\n" for port, target, how in routes))
    return Background(host.enter("haproxy", "-db", "-f", config))
