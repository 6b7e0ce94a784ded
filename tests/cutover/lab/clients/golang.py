"""Go's crypto/tls."""

import functools
import json
import subprocess

from ..converse import PAGE, converse
from . import Attempt, Client, pick
from .openssl import HTTPS


@functools.cache
def stack():
    return "Go " + subprocess.run(["go", "version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[2].removeprefix("go")


def go(newer=False, **options):
    def attempt(lab, target):
        name = target.name if options.get("sni", True) else ""
        words = [lab.tools.newer_go_program if newer else lab.go_program, "client", f"{target.address}:{target.port}", name, json.dumps({k: v for k, v in options.items() if k != "sni"})]
        _, text = converse(lab.network.clients.enter(*words))
        return Attempt("encrypted" if PAGE in text else "failed", pick(text, "said:"))
    return attempt


def client(name, what, hidden="", reduced=False, **options):
    return Client(f"go-{name}", stack(), what, HTTPS, go(**options), hidden, reduced)


CLIENTS = [
    client("default", "as it is", reduced=True),
    client("tls1.0-1.3", "TLS 1.0 to 1.3", least="TLS 1.0"),
    client("tls1.0", "TLS 1.0 alone", least="TLS 1.0", most="TLS 1.0"),
    client("tls1.2", "TLS 1.2 at most", most="TLS 1.2"),
    client("tls1.3", "TLS 1.3 alone", least="TLS 1.3"),
    client("p256", "P-256 alone", groups=["secp256r1"], reduced=True),
    client("p384-1.2", "TLS 1.2, P-384 alone", most="TLS 1.2", groups=["secp384r1"]),
    client("x25519-1.2", "TLS 1.2, x25519 alone", most="TLS 1.2", groups=["x25519"]),
    client("rsa-kx", "TLS 1.2 with TLS_RSA suites", most="TLS 1.2", suites=["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_AES_128_GCM_SHA256"]),
    client("3des", "TLS 1.2 with 3DES only", most="TLS 1.2", suites=["TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"]),
    client("no-name", "without server_name", sni=False),
]


def newer(name, what, **options):
    return Client(f"go127-{name}", "Go 1.27", what, HTTPS, go(newer=True, **options))


NEWER = [
    newer("default", "as it is"),
    newer("tls1.0-1.3", "TLS 1.0 to 1.3", least="TLS 1.0"),
    newer("tls1.2", "TLS 1.2 at most", most="TLS 1.2"),
    newer("rsa-kx", "TLS 1.2 with TLS_RSA suites", most="TLS 1.2", suites=["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_AES_128_GCM_SHA256"]),
    newer("pq", "X25519MLKEM768 alone", groups=["X25519MLKEM768"]),
    newer("p384", "P-384 alone", groups=["secp384r1"]),
]
