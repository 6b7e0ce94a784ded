"""Servers on OpenSSL 4, a process for each policy."""

import functools
import json
from dataclasses import dataclass

from ..openssl import GROUP_NAMES, SUITES_13
from ..openssl_policies import BROWSERS, ECDHE, INTERMEDIATE, P256, P384, RSA
from ..policy import Accepts
from . import certificates, lines

NAME, SERVICE = "openssl4", "https"
ONE_AT_A_TIME = False
# Its own defaults (the lists of groups and of signature algorithms in ssl/t1_lib.c), without what needs a key of another kind.
GROUPS = ("X25519MLKEM768", "x25519", "secp256r1", "x448", "secp384r1", "secp521r1", "ffdhe2048", "ffdhe3072")
SIGNATURES = ("ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512", "ed25519", "ed448", "rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384",
              "rsa_pss_rsae_sha512", "rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512", "ecdsa_sha224", "rsa_pkcs1_sha224")


@dataclass(frozen=True)
class Settings:
    least: str = "TLS 1.0"
    most: str = "TLS 1.3"
    ciphers: str = "DEFAULT:@SECLEVEL=0"
    groups: tuple | None = None
    signatures: tuple | None = None
    keys: tuple = ("RSA-2048", "ECDSA P-256")
    order: str = "client"

    def accepts(self):
        from ..openssl import suites_of
        # Without parameters of its own it has no DHE.
        suites = (SUITES_13 if self.most == "TLS 1.3" else ()) + tuple(s for s in suites_of(self.ciphers, self.least, self.most) if "_DHE_" not in s)
        sha1 = ("ecdsa_sha1", "rsa_pkcs1_sha1") if "SECLEVEL=0" in self.ciphers else ()
        return Accepts(min_version=self.least, max_version=self.most, cipher_suites=suites, groups=self.groups or GROUPS, signature_algorithms=self.signatures or SIGNATURES + sha1,
                       certificates=self.keys, habits={"software": "openssl", "suite_order": self.order, "dhe": "none"})


LENIENT = Settings()
POLICIES = [
    ("min-1.2", "TLS 1.2 and later", Settings(least="TLS 1.2")),
    ("ecdhe", "TLS 1.2 and later with ECDHE only", Settings(least="TLS 1.2", ciphers=ECDHE)),
    ("only-1.3", "TLS 1.3 only", Settings(least="TLS 1.3")),
    ("p256", "P-256 only", Settings(least="TLS 1.2", ciphers=ECDHE, groups=("secp256r1",), keys=RSA)),
    ("mozilla-intermediate", "Mozilla's intermediate suites and groups", Settings(least="TLS 1.2", ciphers=INTERMEDIATE, groups=BROWSERS, keys=RSA)),
    ("ecdsa-p384-x25519", "ECDSA certificate on P-384, x25519 only", Settings(least="TLS 1.2", keys=P384, groups=("x25519",))),
    ("ecdsa-p256", "ECDSA certificate on P-256", Settings(keys=P256)),
    ("pss-sha256", "signatures RSA-PSS with SHA-256 only", Settings(least="TLS 1.2", keys=RSA, signatures=("rsa_pss_rsae_sha256",))),
    ("pq", "X25519MLKEM768 only", Settings(least="TLS 1.3", groups=("X25519MLKEM768",), keys=RSA)),
]


@functools.cache
def version():
    from ..clients.openssl4 import STACK
    return STACK


class Servers(lines.Servers):
    def __init__(self, lab, deployments):
        super().__init__(lab, deployments, words)


def words(lab, d):
    s = d.settings
    options = {"min": s.least[4:], "max": s.most[4:], "ciphers": s.ciphers, "order": s.order}
    options |= {"groups": ":".join(GROUP_NAMES.get(g, g) for g in s.groups)} if s.groups else {}
    options |= {"signatures": ":".join(s.signatures)} if s.signatures else {}
    return [lab.tools.newer_python, lab.programs / "openssl4_ends.py", "server", d.port, json.dumps(options), *(path for pair in certificates(lab, s.keys) for path in pair)]
