"""Settings that all servers on OpenSSL share, and what they amount to in the contract's words.

The suites are what this OpenSSL says of them itself (`openssl ciphers`), in its order; nothing is listed twice.
"""

import functools
import subprocess
from dataclasses import dataclass

from .policy import Accepts, versions_between

# What OpenSSL 3.0 takes where no list is set, in its order (tls1_groups' default, t1_lib.c).
DEFAULT_GROUPS = ("x25519", "secp256r1", "x448", "secp521r1", "secp384r1", "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192")
GROUP_NAMES = {"x25519": "X25519", "secp256r1": "P-256", "x448": "X448", "secp521r1": "P-521", "secp384r1": "P-384"}
SUITES_13 = ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256")
# What OpenSSL 3.0 signs and takes where no list is set (tls12_sigalgs, t1_lib.c), without DSA.
SIGNATURES = ("ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512", "ed25519", "ed448", "rsa_pss_pss_sha256", "rsa_pss_pss_sha384",
              "rsa_pss_pss_sha512", "rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512", "rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512",
              "ecdsa_sha224", "rsa_pkcs1_sha224")
SHA1 = ("ecdsa_sha1", "rsa_pkcs1_sha1")  # from security level 1 on not
ANY = "DEFAULT:@SECLEVEL=0"  # OpenSSL 3 takes TLS 1.0 and 1.1, whose signatures use SHA-1, only at this level.
OPTION = {"TLS 1.0": "tls1", "TLS 1.1": "tls1_1", "TLS 1.2": "tls1_2", "TLS 1.3": "tls1_3"}
PROTOCOL = {"TLS 1.0": "TLSv1", "TLS 1.1": "TLSv1.1", "TLS 1.2": "TLSv1.2", "TLS 1.3": "TLSv1.3"}


@dataclass(frozen=True)
class Settings:
    """How one server is configured. None: the program's own default."""
    least: str = "TLS 1.0"
    most: str = "TLS 1.3"
    ciphers: str = ANY                        # OpenSSL's list for TLS 1.2 and older
    suites_13: tuple = SUITES_13
    groups: tuple | None = None               # IANA names
    signatures: tuple | None = None           # IANA names
    keys: tuple = ("RSA-2048", "ECDSA P-256")
    order: str = "server"
    dhe: bool = True
    server_name: str | None = None
    cleartext: str | None = None

    @property
    def versions(self):
        return versions_between(self.least, self.most)

    def accepts(self):
        suites = (self.suites_13 if self.most == "TLS 1.3" else ()) + tuple(
            s for s in suites_of(self.ciphers, self.least, self.most) if self.dhe or "_DHE_" not in s)
        habits = {"software": "openssl", "suite_order": self.order, "dhe": "fixed" if self.dhe else "none"}
        return Accepts(min_version=self.least, max_version=self.most, cipher_suites=suites, groups=self.groups or DEFAULT_GROUPS,
                       signature_algorithms=self.signatures or SIGNATURES + (SHA1 if "@SECLEVEL=0" in self.ciphers else ()), certificates=self.keys, server_name=self.server_name, cleartext=self.cleartext, habits=habits)

    def openssl_groups(self):
        return ":".join(GROUP_NAMES.get(g, g) for g in self.groups)

    def openssl_signatures(self):
        return ":".join(self.signatures)

    def openssl_versions(self):
        return [PROTOCOL[v] for v in self.versions]


@functools.cache
def suites_of(ciphers, least, most):
    """IANA names of the TLS 1.2 and older suites that a list amounts to between two versions, in its order."""
    found = []
    for version in reversed(versions_between(least, min(most, "TLS 1.2"))) if least <= "TLS 1.2" else ():
        text = subprocess.run(["openssl", "ciphers", "-s", "-stdname", f"-{OPTION[version]}", ciphers], stdout=subprocess.PIPE, text=True, check=True).stdout
        found += [line.split()[0] for line in text.splitlines()]
    return tuple(dict.fromkeys(s for s in found if "_WITH_" in s))
