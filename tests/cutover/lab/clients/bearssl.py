"""BearSSL: TLS up to 1.2 for small devices, without extended_master_secret and encrypt_then_mac."""

import functools
import subprocess

from . import Client, by_program
from .openssl import HTTPS


@functools.cache
def stack():
    text = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "libbearssl-dev"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return "BearSSL " + text.split("+")[0]


def client(name, what, sni=True, reduced=False, hidden="", **options):
    def words(lab, target):
        return [lab.tools.bearssl_program, "client", target.address, target.port, target.name if sni else "", *(f"{k}={v}" for k, v in options.items())]
    return Client(f"bearssl-{name}", stack(), what, HTTPS, by_program(words), hidden, reduced)


CLIENTS = [
    client("default", "TLS 1.0 to 1.2", reduced=True, hidden="a minimum of TLS 1.0"),
    client("tls1.2", "TLS 1.2 alone", min="1.2", hidden="a minimum of TLS 1.2"),
    client("tls1.0", "TLS 1.0 alone", max="1.0"),
    client("rsa-cbc", "TLS 1.2 with TLS_RSA and CBC-SHA only", suites="002f,0035"),
    client("rsa-3des", "TLS 1.0 to 1.2 with TLS_RSA and 3DES only", suites="000a"),
    client("p256", "P-256 alone", groups="23"),
    client("p384", "P-384 alone", groups="24"),
    client("ccm", "CCM only", suites="c0ac,c0ad,c09c,c09d"),
    client("sha256", "hashes: SHA-256 alone", hashes="sha256", min="1.2", suites="c02f,c02b,009c"),
    client("ecdh", "static ECDH only: the certificate's key is the share", suites="c02d,c031,c029,c004,c00e"),
    client("no-name", "without server_name", sni=False),
]
