"""From the names that the stacks use to those of IANA, which the contract uses."""

import functools
import subprocess

VERSIONS = {
    "SSLv3": "SSL 3.0", "SSL3.0": "SSL 3.0", "SSL 3.0": "SSL 3.0",
    "TLSv1": "TLS 1.0", "TLSv1.0": "TLS 1.0", "TLS1.0": "TLS 1.0", "TLS 1.0": "TLS 1.0", "TLSv1_0": "TLS 1.0",
    "TLSv1.1": "TLS 1.1", "TLS1.1": "TLS 1.1", "TLS 1.1": "TLS 1.1", "TLSv1_1": "TLS 1.1",
    "TLSv1.2": "TLS 1.2", "TLS1.2": "TLS 1.2", "TLS 1.2": "TLS 1.2", "TLSv1_2": "TLS 1.2",
    "TLSv1.3": "TLS 1.3", "TLS1.3": "TLS 1.3", "TLS 1.3": "TLS 1.3", "TLSv1_3": "TLS 1.3",
    "DTLSv1": "DTLS 1.0", "DTLS1.0": "DTLS 1.0", "DTLSv1.2": "DTLS 1.2", "DTLS1.2": "DTLS 1.2",
}

GROUPS = {
    "X25519": "x25519", "X448": "x448", "prime256v1": "secp256r1", "secp256r1": "secp256r1", "P-256": "secp256r1",
    "secp384r1": "secp384r1", "P-384": "secp384r1", "secp521r1": "secp521r1",
    "SECP256R1": "secp256r1", "SECP384R1": "secp384r1", "X25519MLKEM768": "X25519MLKEM768", "x25519": "x25519",
}


@functools.cache
def _openssl_table():
    listing = subprocess.run(["openssl", "ciphers", "-stdname", "-s", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"],
                             stdout=subprocess.PIPE, text=True, check=False).stdout
    listing += subprocess.run(["openssl", "ciphers", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"],
                              stdout=subprocess.PIPE, text=True, check=True).stdout
    table = {}
    for line in listing.splitlines():
        words = line.split()
        if len(words) > 2 and words[1] == "-":
            table[words[2]] = words[0]
    return table


def iana(name):
    """TLS_… for OpenSSL's, Java's or rustls' name of a cipher suite."""
    if name.startswith("SSL_"):  # Java's names for the oldest suites.
        return "TLS_" + name[4:]
    if name.startswith("TLS13_"):  # rustls'
        return "TLS_" + name[6:]
    if name.startswith("TLS_"):
        return name
    return _openssl_table()[name]


def version(name):
    return VERSIONS[name.strip()]


def group(name):
    return GROUPS[name.strip()]
