"""NSS' tstclnt."""

import functools
import subprocess

from ..converse import PAGE, REQUEST, converse
from . import Attempt, Client, pick
from .openssl import HTTPS


@functools.cache
def stack():
    text = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "libnss3"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return "NSS " + text.split(":")[-1].split("-")[0]


def tstclnt(*options):
    def attempt(lab, target):
        # -o takes any certificate; without -a the address literal is no name, so none is sent.
        name = [] if "no-name" in options else ["-a", target.name]
        words = ["tstclnt", "-o", "-D", "-4", "-h", target.address, "-p", target.port, *name, *(o for o in options if o != "no-name")]
        _, text = converse(lab.network.clients.enter(*words), REQUEST)
        return Attempt("encrypted" if PAGE in text else "failed", pick(text, "tstclnt:", "SSL version"))
    return attempt


def client(name, what, *options, reduced=False, hidden=""):
    return Client(f"nss-{name}", stack(), what, HTTPS, tstclnt(*options), hidden, reduced)


CLIENTS = [
    client("default", "all versions", "-V", "tls1.0:tls1.3", reduced=True),
    client("tls1.0", "TLS 1.0 alone", "-V", "tls1.0:tls1.0", reduced=True),
    client("tls1.2", "TLS 1.2 alone", "-V", "tls1.2:tls1.2", reduced=True, hidden="a minimum of TLS 1.2"),
    client("tls1.0-1.2", "TLS 1.0 to 1.2", "-V", "tls1.0:tls1.2"),
    client("tls1.2-1.3", "TLS 1.2 and 1.3 with extended_master_secret", "-V", "tls1.2:tls1.3", "-G"),
    client("tls1.3", "TLS 1.3 alone", "-V", "tls1.3:tls1.3"),
    client("p256-1.2", "TLS 1.2, P-256 alone", "-V", "tls1.2:tls1.2", "-I", "P256", reduced=True),
    client("x25519", "x25519 alone", "-V", "tls1.2:tls1.3", "-I", "x25519"),
    client("x25519-1.2", "TLS 1.2, x25519 alone", "-V", "tls1.2:tls1.2", "-I", "x25519"),
    client("p384", "P-384 alone", "-V", "tls1.2:tls1.3", "-I", "P384"),
    client("ff2048-1.2", "TLS 1.2, ffdhe2048 required", "-V", "tls1.2:tls1.2", "-H", "-I", "FF2048,P256"),
    client("sig-pkcs1-sha256", "TLS 1.2, RSA PKCS #1 with SHA-256 alone", "-V", "tls1.2:tls1.2", "-J", "rsa_pkcs1_sha256"),
    client("sig-pss", "RSA-PSS alone", "-V", "tls1.2:tls1.3", "-J", "rsa_pss_rsae_sha256,rsa_pss_rsae_sha384"),
    client("sig-ecdsa", "ECDSA alone", "-V", "tls1.2:tls1.3", "-J", "ecdsa_secp256r1_sha256"),
    client("rsa-kx", "TLS 1.2 with TLS_RSA suites", "-V", "tls1.2:tls1.2", "-c", ":002F:0035:009C:009D"),
    client("no-name", "without server_name", "-V", "tls1.0:tls1.3", "no-name"),
]
