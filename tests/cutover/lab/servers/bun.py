"""Servers on BoringSSL: the tls module of Bun, a process for each policy."""

import json
from dataclasses import dataclass

from ..openssl import PROTOCOL
from ..openssl_policies import P256, P384, RSA
from ..policy import Accepts
from . import certificates, lines

NAME, SERVICE = "bun", "https"
ONE_AT_A_TIME = False
SUITES_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
NAMES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256", "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
}
ALL = tuple(NAMES)
AEAD = ALL[:5]


@dataclass(frozen=True)
class Settings:
    least: str = "TLS 1.2"
    most: str = "TLS 1.3"
    suites: tuple = ALL
    keys: tuple = RSA

    def accepts(self):
        return Accepts(min_version=self.least, max_version=self.most, cipher_suites=(SUITES_13 if self.most == "TLS 1.3" else ()) + (self.suites if self.least <= "TLS 1.2" else ()),
                       groups=GROUPS, certificates=self.keys, habits=HABITS)


# BoringSSL's default groups.
GROUPS = ("X25519MLKEM768", "x25519", "secp256r1", "secp384r1")
HABITS = {"software": "boringssl"}
LENIENT = Settings()
POLICIES = [
    ("min-1.2", "TLS 1.2 and later", Settings()),
    ("ecdhe", "TLS 1.2 and later with ECDHE and AEAD only", Settings(suites=AEAD)),
    ("only-1.3", "TLS 1.3 only", Settings(least="TLS 1.3")),
    ("only-1.2-rsa", "TLS 1.2 alone", Settings(most="TLS 1.2")),
    ("ecdsa-p256", "ECDSA certificate on P-256", Settings(keys=P256)),
    ("ecdsa-p384", "ECDSA certificate on P-384", Settings(keys=P384)),
]


def version():
    return "BoringSSL (Bun)"


class Servers(lines.Servers):
    def __init__(self, lab, deployments):
        super().__init__(lab, deployments, words)


def words(lab, d):
    s = d.settings
    options = {"minVersion": PROTOCOL[s.least], "maxVersion": PROTOCOL[s.most], "ciphers": ":".join(NAMES[n] for n in s.suites)}
    return [lab.tools.bun, lab.programs / "node_server.js", d.port, json.dumps(options), *(path for pair in certificates(lab, s.keys) for path in pair)]
