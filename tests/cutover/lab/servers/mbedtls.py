"""mbed TLS servers, a process for each policy."""

from dataclasses import dataclass

from ..clients.mbedtls import stack as version  # noqa: F401
from ..openssl_policies import P256, P384, RSA
from ..policy import Accepts
from . import certificates, lines

NAME, SERVICE = "mbedtls", "https"
ONE_AT_A_TIME = False
AEAD = tuple(f"TLS_ECDHE_{key}_WITH_{cipher}" for cipher in ("CHACHA20_POLY1305_SHA256", "AES_256_GCM_SHA384", "AES_128_GCM_SHA256") for key in ("ECDSA", "RSA"))
CCM = ("TLS_ECDHE_ECDSA_WITH_AES_128_CCM",)
DHE = ("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA")
CBC = tuple(f"TLS_ECDHE_{key}_WITH_AES_{bits}_CBC_SHA" for bits in (256, 128) for key in ("ECDSA", "RSA"))
RSA_KX = ("TLS_RSA_WITH_AES_256_GCM_SHA384", "TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_128_CCM", "TLS_RSA_WITH_AES_256_CBC_SHA", "TLS_RSA_WITH_AES_128_CBC_SHA")
GROUPS = ("x25519", "secp256r1", "secp384r1", "secp521r1", "brainpoolP256r1")
HASHES = ("SHA512", "SHA384", "SHA256", "SHA1")
CURVE = {"SHA256": "secp256r1_", "SHA384": "secp384r1_", "SHA512": "secp521r1_"}


@dataclass(frozen=True)
class Settings:
    least: str = "TLS 1.0"
    most: str = "TLS 1.2"
    suites: tuple = AEAD + CCM + CBC + DHE + RSA_KX
    groups: tuple = GROUPS
    hashes: tuple = HASHES
    keys: tuple = ("RSA-2048", "ECDSA P-256")

    def accepts(self):
        signatures = tuple(f"{start}{h.lower()}" for h in self.hashes for start in (f"ecdsa_{CURVE.get(h, '')}", "rsa_pkcs1_"))
        return Accepts(min_version=self.least, max_version=self.most, cipher_suites=self.suites, groups=self.groups, signature_algorithms=signatures,
                       certificates=self.keys, habits={"software": "mbedtls"})


LENIENT = Settings()
ONLY_12 = "TLS 1.2"
POLICIES = [
    ("only-1.2", "TLS 1.2 alone", Settings(least=ONLY_12)),
    ("only-1.2-rsa", "TLS 1.2 alone, RSA certificate", Settings(least=ONLY_12, keys=RSA)),
    ("ecdhe", "TLS 1.2 with ECDHE only", Settings(least=ONLY_12, suites=AEAD)),
    ("p256", "P-256 only", Settings(least=ONLY_12, suites=AEAD, groups=("secp256r1",), keys=RSA)),
    ("ecdsa-p256", "ECDSA certificate on P-256", Settings(keys=P256)),
    ("ecdsa-p384", "ECDSA certificate on P-384", Settings(least=ONLY_12, keys=P384)),
    ("ecdsa-p256-x25519", "ECDSA certificate on P-256, x25519 only", Settings(least=ONLY_12, suites=AEAD, groups=("x25519",), keys=P256)),
    ("dhe-only", "TLS 1.2 with DHE only", Settings(least=ONLY_12, suites=DHE, keys=RSA)),
    ("rsa-kx", "TLS 1.2 with TLS_RSA suites only", Settings(least=ONLY_12, suites=RSA_KX, keys=RSA)),
    ("sha256", "signatures with SHA-256 only", Settings(least=ONLY_12, suites=AEAD + RSA_KX, hashes=("SHA256",), keys=RSA)),
    ("sha512-ecdhe", "ECDHE and signatures with SHA-512 only", Settings(least=ONLY_12, suites=AEAD, hashes=("SHA512",), keys=RSA)),
]


class Servers(lines.Servers):
    def __init__(self, lab, deployments):
        super().__init__(lab, deployments, words)


def words(lab, d):
    s = d.settings
    return [lab.tools.mbedtls_program, "server", d.port, *(path for pair in certificates(lab, s.keys) for path in pair), f"min={s.least[4:]}", f"max={s.most[4:]}",
            f"suites={','.join(s.suites)}", f"groups={','.join(s.groups)}", f"hashes={','.join(s.hashes)}"]
