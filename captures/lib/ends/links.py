"""The browser links on OpenSSL: where a handshake fails it tries each lower version, and says so by TLS_FALLBACK_SCSV."""

import functools
import subprocess

from ..process import run


@functools.cache
def name():
    return subprocess.run(["links", "-version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip() + " on OpenSSL"


def visit(client, home, url):
    """Loads one page and gives its text; of its connections links itself tells nothing."""
    port = client.next_port()
    client.use_ports(port, port + 400)  # So many that none is likely to be taken twice: a reset leaves it free at once.
    return run(client.enter("links", "-ssl.certificates", "0", "-dump", url), env={"HOME": str(home)}).strip()
