"""Python's ssl module, on OpenSSL."""

import json
import sys

from ..converse import PAGE, converse
from . import Attempt, Client, pick
from .openssl import ALL, HTTPS


def ssl(**options):
    def attempt(lab, target):
        words = [sys.executable, "-W", "ignore", lab.programs / "python_client.py", target.service, target.address, target.port, target.name, json.dumps(options)]
        _, text = converse(lab.network.clients.enter(*words))
        return Attempt("encrypted" if PAGE in text else "failed", pick(text, "said:"))
    return attempt


def client(name, what, services=HTTPS, hidden="", reduced=False, **options):
    return Client(f"python-{name}", "OpenSSL (Python)", what, services, ssl(**options), hidden, reduced)


CLIENTS = [
    client("default", "as it is", services=ALL, reduced=True),
    client("tls1.0", "TLS 1.0 alone", services=ALL, minimum="TLSv1", maximum="TLSv1", ciphers="DEFAULT:@SECLEVEL=0"),
    client("tls1.0-1.2", "TLS 1.0 to 1.2", minimum="TLSv1", maximum="TLSv1_2", ciphers="DEFAULT:@SECLEVEL=0"),
    client("rsa-kx", "TLS 1.2 with TLS_RSA suites", services=ALL, minimum="TLSv1_2", maximum="TLSv1_2", ciphers="AES128-SHA:AES128-GCM-SHA256"),
    client("tls1.3", "TLS 1.3 alone", services=ALL, minimum="TLSv1_3"),
    client("p521", "P-521 alone", curve="secp521r1"),
    client("no-name", "without server_name", sni=False),
]
