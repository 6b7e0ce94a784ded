"""OkHttp on Java's JSSE, which knows no TLS_FALLBACK_SCSV; after a handshake that failed it connects again with its next connection spec."""

import functools
import subprocess

from ..process import run
from . import java

JARS = "/usr/share/java/okhttp.jar", "/usr/share/java/okio.jar"


@functools.cache
def name():
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "libokhttp-java"], stdout=subprocess.PIPE, text=True, check=True).stdout.partition("-")[0]
    return f"OkHttp {version} on {java.name()}"


def get(tools, client, address, url, *specs):
    """One request; gives what was said of each of its connections. `specs`: those of clients/OkHttpEnd.java."""
    port = client.next_port()
    client.use_ports(port, port + 400)  # So many that none is likely to be taken twice: a reset leaves it free at once.
    text = run(client.enter(*java.ready(tools.cache, tools.clients / "OkHttpEnd.java", *JARS), address, url, *specs))
    if "given up" in text or len(attempts := [line for line in text.splitlines() if line.startswith("{")]) != len(specs):
        raise RuntimeError(f"OkHttp did not do what it should: {text[-2000:]}")
    return [java.read(line) for line in attempts]
