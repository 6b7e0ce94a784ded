"""rustls servers, a process for each policy."""

from dataclasses import dataclass

from ..clients.rustls import stack as version  # noqa: F401
from ..openssl_policies import P256, P384, RSA
from ..policy import Accepts
from . import certificates, lines

NAME, SERVICE = "rustls", "https"
ONE_AT_A_TIME = False
SUITES_13 = ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256")
SUITES_12 = ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
             "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256")
GROUPS = ("x25519", "secp256r1", "secp384r1")
# What an RSA key and a P-256 or P-384 key sign with in its `sign` module.
SIGNATURES = ("rsa_pss_rsae_sha512", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha256", "rsa_pkcs1_sha512", "rsa_pkcs1_sha384", "rsa_pkcs1_sha256", "ecdsa_secp384r1_sha384",
              "ecdsa_secp256r1_sha256")


@dataclass(frozen=True)
class Settings:
    least: str = "TLS 1.2"
    most: str = "TLS 1.3"
    suites: tuple = SUITES_13 + SUITES_12
    groups: tuple = GROUPS
    keys: tuple = RSA
    order: str = "client"
    extended_master_secret: str | None = None

    def accepts(self):
        return Accepts(min_version=self.least, max_version=self.most, cipher_suites=self.suites, groups=self.groups, signature_algorithms=SIGNATURES, certificates=self.keys,
                       extended_master_secret=self.extended_master_secret, habits=HABITS | {"suite_order": self.order})


HABITS = {"software": "rustls"}
LENIENT = Settings()
POLICIES = [
    ("as-it-is", "as it is", Settings()),
    ("only-1.3", "TLS 1.3 only", Settings(least="TLS 1.3", suites=SUITES_13)),
    ("only-1.2-rsa", "TLS 1.2 alone", Settings(most="TLS 1.2", suites=SUITES_12, order="server")),
    ("p256", "P-256 only", Settings(groups=("secp256r1",))),
    ("ecdsa-p256", "ECDSA certificate on P-256", Settings(keys=P256)),
    ("ecdsa-p384-x25519", "ECDSA certificate on P-384, x25519 only", Settings(keys=P384, groups=("x25519",))),
    ("ems-required", "TLS 1.2 with extended_master_secret", Settings(most="TLS 1.2", suites=SUITES_12, extended_master_secret="required")),
]


class Servers(lines.Servers):
    def __init__(self, lab, deployments):
        super().__init__(lab, deployments, words)


def words(lab, d):
    s = d.settings
    (certificate, key), = certificates(lab, s.keys)
    names = [n.replace("TLS_", "TLS13_", 1) if "_WITH_" not in n else n for n in s.suites]
    found = [lab.tools.rustls_program, "server", d.port, certificate, key, f"min={s.least[4:]}", f"max={s.most[4:]}", f"suites={','.join(names)}",
             f"groups={','.join(g.replace('x25519', 'X25519') for g in s.groups)}", f"order={s.order}"]
    return found + (["ems=required"] if s.extended_master_secret else [])
