"""wolfSSL: a small program on Debian's library."""

import functools
import subprocess

from . import Client, by_program
from .openssl import HTTPS


@functools.cache
def stack():
    text = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "libwolfssl-dev"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return "wolfSSL " + text.split("-")[0]


def client(name, what, sni=True, reduced=False, hidden="", **options):
    def words(lab, target):
        return [lab.tools.wolfssl_program, "client", target.address, target.port, target.name if sni else "", *(f"{k}={v}" for k, v in options.items())]
    return Client(f"wolfssl-{name}", stack(), what, HTTPS, by_program(words), hidden, reduced)


CLIENTS = [
    client("default", "as it is"),
    client("tls1.2", "TLS 1.2 alone", max="1.2", reduced=True),
    client("tls1.3", "TLS 1.3 alone", min="1.3"),
    client("cbc-1.2", "TLS 1.2 with ECDHE and CBC-SHA only", max="1.2", suites="ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA"),
    client("dhe", "TLS 1.2 with DHE only", max="1.2", suites="DHE-RSA-AES128-SHA:DHE-RSA-AES256-SHA:DHE-RSA-AES128-GCM-SHA256"),
    client("p384-1.2", "TLS 1.2, P-384 alone", max="1.2", groups="24"),
    client("p256", "P-256 alone", groups="23"),
    client("sig-pkcs1", "TLS 1.2, RSA PKCS #1 with SHA-256 alone", max="1.2", signatures="RSA+SHA256"),
    client("no-name", "without server_name", sni=False),
]
