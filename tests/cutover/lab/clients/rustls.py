"""rustls, with ring."""

import functools
import re

from ..tools import PROGRAMS
from . import Client, by_program
from .openssl import HTTPS


@functools.cache
def stack():
    return "rustls " + re.search(r'name = "rustls"\nversion = "([^"]+)"', (PROGRAMS / "rustls" / "Cargo.lock").read_text())[1]


def client(name, what, sni=True, reduced=False, **options):
    def words(lab, target):
        return [lab.tools.rustls_program, "client", f"{target.address}:{target.port}", target.name if sni else "", *(f"{k}={v}" for k, v in options.items())]
    return Client(f"rustls-{name}", stack(), what, HTTPS, by_program(words), reduced=reduced)


CLIENTS = [
    client("default", "as it is", reduced=True),
    client("tls1.2", "TLS 1.2 alone", max="1.2"),
    client("tls1.3", "TLS 1.3 alone", min="1.3"),
    client("p256", "P-256 alone", groups="secp256r1"),
    client("p384", "P-384 alone", groups="secp384r1"),
    client("x25519-1.2", "TLS 1.2, X25519 alone", groups="X25519", max="1.2"),
    client("chacha", "ChaCha20-Poly1305 only", suites="TLS13_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    client("ecdsa-only", "TLS 1.2 with ECDSA suites only", suites="TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", max="1.2"),
    client("no-name", "without server_name", sni=False),
]
