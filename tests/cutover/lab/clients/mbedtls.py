"""mbed TLS: a small program on Debian's library, as devices have it."""

import functools
import subprocess

from ..converse import PAGE, converse
from . import Attempt, Client, pick
from .openssl import HTTPS


@functools.cache
def stack():
    text = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "libmbedtls-dev"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return "mbed TLS " + text.split("-")[0]


def mbedtls(sni=True, **options):
    def attempt(lab, target):
        words = [lab.tools.mbedtls_program, "client", target.address, target.port, target.name if sni else "", *(f"{k}={v}" for k, v in options.items())]
        _, text = converse(lab.network.clients.enter(*words))
        return Attempt("encrypted" if PAGE in text else "failed", pick(text, "said:"))
    return attempt


def client(name, what, hidden="", reduced=False, **options):
    return Client(f"mbedtls-{name}", stack(), what, HTTPS, mbedtls(**options), hidden, reduced)


CLIENTS = [
    client("default", "as it is", reduced=True, hidden="a minimum of TLS 1.0, which its TLS 1.2 hello does not tell"),
    client("tls1.0", "TLS 1.0 alone", max="1.0", reduced=True),
    client("tls1.1", "TLS 1.1 at most", max="1.1"),
    client("min-1.2", "TLS 1.2 alone", min="1.2", hidden="a minimum of TLS 1.2"),
    client("rsa-cbc", "TLS 1.2 with TLS_RSA and CBC-SHA only: a printer", suites="TLS_RSA_WITH_AES_128_CBC_SHA,TLS_RSA_WITH_AES_256_CBC_SHA"),
    client("dhe", "TLS 1.2 with DHE only", suites="TLS_DHE_RSA_WITH_AES_128_GCM_SHA256,TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
    client("p384", "P-384 alone", groups="secp384r1"),
    client("sha512", "signatures with SHA-512 alone", hashes="SHA512"),
    client("no-ems-etm", "without extended_master_secret and encrypt_then_mac", ems="0", etm="0", suites="TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,TLS_RSA_WITH_AES_128_CBC_SHA"),
    client("ccm", "CCM only", suites="TLS_ECDHE_ECDSA_WITH_AES_128_CCM,TLS_RSA_WITH_AES_128_CCM"),
    client("no-name", "without server_name", sni=False),
]
