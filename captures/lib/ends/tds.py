"""FreeTDS' tsql as the client of the project's own small TDS server: no real one is in Debian."""

import functools
import json
import re
import subprocess

from ..process import Background, run
from ..said import Said, pick

CONFIG = """
[global]
  tds version = 7.4
  encryption = {encryption}
  connect timeout = 5
  timeout = 5
  debug flags = 0xffff
  enable tls v1 = yes
"""


@functools.cache
def name():
    text = subprocess.run(["tsql", "-C"], stdout=subprocess.PIPE, text=True).stdout
    return "FreeTDS " + re.search(r"freetds v([\d.]+)", text)[1] + " on " + ("GnuTLS" if re.search(r"GnuTLS: yes", text) else "OpenSSL")


def server(tools, host, cert, key, port=1433, encryption="on", version="TLSv1_2"):
    return Background(host.enter(tools.python, "-W", "ignore", tools.clients / "tds_server.py", port, encryption, cert, key, version), ready="listening")


def login(client, folder, address, port, encryption):
    config = folder / f"freetds-{encryption}.conf"
    config.write_text(CONFIG.format(encryption=encryption))
    local = client.next_port()
    text = run(client.enter("tsql", "-H", address, "-p", port, "-U", "desk", "-P", "secret-of-the-test"), env={"FREETDSCONF": str(config)}, seconds=8)
    return Said(text=text, line=pick(text, "Error", "Msg ", "Login failed", "Unexpected EOF", "failed"), port=local)


def read(line):
    entry = json.loads(line)
    return Said(text=line, line=line, version=entry.get("version"), cipher=entry.get("cipher"))
