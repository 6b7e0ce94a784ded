"""Node.js' tls, on the OpenSSL that it brings with it."""

import functools
import json
import subprocess

from ..converse import PAGE, converse
from . import Attempt, Client, pick
from .openssl import HTTPS


@functools.cache
def stack():
    return "OpenSSL (Node.js " + subprocess.run(["node", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip() + ")"


def tls(**options):
    def attempt(lab, target):
        words = ["node", lab.programs / "node_client.js", target.address, target.port, target.name, json.dumps(options)]
        _, text = converse(lab.network.clients.enter(*words))
        return Attempt("encrypted" if PAGE in text else "failed", pick(text, "said:"))
    return attempt


def client(name, what, hidden="", reduced=False, **options):
    return Client(f"node-{name}", stack(), what, HTTPS, tls(**options), hidden, reduced)


CLIENTS = [
    client("default", "as it is", reduced=True),
    client("tls1.0-1.1", "TLS 1.0 and 1.1", minVersion="TLSv1", maxVersion="TLSv1.1", ciphers="DEFAULT@SECLEVEL=0"),
    client("tls1.2", "TLS 1.2 alone", maxVersion="TLSv1.2"),
    client("tls1.3", "TLS 1.3 alone", minVersion="TLSv1.3"),
    client("rsa-kx", "TLS 1.2 with TLS_RSA suites", maxVersion="TLSv1.2", ciphers="AES128-SHA:AES256-GCM-SHA384"),
    client("p384", "P-384 alone", ecdhCurve="P-384"),
    client("sig-pss", "RSA-PSS alone", sigalgs="rsa_pss_rsae_sha256:rsa_pss_rsae_sha512"),
]
