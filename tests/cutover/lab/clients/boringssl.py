"""BoringSSL in curl (curl_cffi, which also imitates browsers) and in Bun."""

import json

from . import Client, by_program
from .openssl import HTTPS


def curl(name, what, **options):
    def words(lab, target):
        return [lab.tools.newer_python, lab.programs / "curl_cffi_client.py", target.address, target.port, target.name, json.dumps(options)]
    return Client(f"curlcffi-{name}", "BoringSSL (curl_cffi)", what, HTTPS, by_program(words))


def bun(name, what, **options):
    def words(lab, target):
        return [lab.tools.bun, lab.programs / "node_client.js", target.address, target.port, target.name, json.dumps(options)]
    return Client(f"bun-{name}", "BoringSSL (Bun)", what, HTTPS, by_program(words))


# CURL_SSLVERSION_*: the least version, and the greatest in the upper half.
TLS_1_0, TLS_1_2, MOST_1_2 = 4, 6, 6 << 16
CLIENTS = [
    curl("default", "as it is"),
    curl("max-1.2", "TLS 1.2 at most", SSLVERSION=TLS_1_2 | MOST_1_2),
    curl("tls1.0-1.2", "TLS 1.0 to 1.2", SSLVERSION=TLS_1_0 | MOST_1_2),
    curl("rsa-kx", "TLS 1.2 with TLS_RSA suites", SSLVERSION=TLS_1_2 | MOST_1_2, SSL_CIPHER_LIST="AES128-SHA:AES256-SHA:AES128-GCM-SHA256"),
    curl("p384", "P-384 alone", SSL_EC_CURVES="P-384"),
    curl("pq", "X25519MLKEM768 alone", SSL_EC_CURVES="X25519MLKEM768"),
    curl("chrome99", "as Chrome 99", impersonate="chrome99"),
    curl("chrome146", "as Chrome 146", impersonate="chrome146"),
    curl("safari155", "as Safari 15.5", impersonate="safari155"),
    curl("safari260", "as Safari 26", impersonate="safari260"),
    curl("firefox147", "as Firefox 147, whose finite fields it cannot compute", impersonate="firefox147"),
    curl("tor145", "as the Tor Browser 14.5", impersonate="tor145"),
    bun("default", "as it is"),
    bun("tls1.2", "TLS 1.2 alone", maxVersion="TLSv1.2"),
    bun("rsa-kx", "TLS 1.2 with TLS_RSA suites", maxVersion="TLSv1.2", ciphers="AES128-SHA:AES256-SHA"),
]
