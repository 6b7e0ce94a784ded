"""OpenSSL 4, as PyPI's pyOpenSSL brings it."""

import json

from . import Client, by_program
from .openssl import HTTPS

STACK = "OpenSSL 4.0 (pyOpenSSL)"


def client(name, what, sni=True, **options):
    def words(lab, target):
        return [lab.tools.newer_python, lab.programs / "openssl4_ends.py", "client", target.address, target.port, target.name if sni else "", json.dumps(options)]
    return Client(f"openssl4-{name}", STACK, what, HTTPS, by_program(words))


CLIENTS = [
    client("default", "as it is"),
    client("tls1.0-1.2", "TLS 1.0 to 1.2", min="1.0", max="1.2", ciphers="DEFAULT:@SECLEVEL=0"),
    client("tls1.2", "TLS 1.2 alone", max="1.2"),
    client("p384", "P-384 alone", groups="P-384"),
    client("p521-1.2", "TLS 1.2, P-521 alone", max="1.2", groups="P-521"),
    client("rsa-kx", "TLS 1.2 with TLS_RSA suites", max="1.2", ciphers="AES128-SHA:AES256-SHA:AES128-GCM-SHA256"),
    client("pq", "X25519MLKEM768 alone", groups="X25519MLKEM768"),
    client("seclevel3", "security level 3", ciphers="DEFAULT:@SECLEVEL=3"),
    client("sig-pss-sha512", "RSA-PSS with SHA-512 alone", signatures="rsa_pss_rsae_sha512"),
]
