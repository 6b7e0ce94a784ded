"""wolfSSL servers, a process for each policy."""

from dataclasses import dataclass

from ..clients.wolfssl import stack as version  # noqa: F401
from ..openssl_policies import P256, P384, RSA
from ..policy import Accepts
from . import certificates, lines

NAME, SERVICE = "wolfssl", "https"
ONE_AT_A_TIME = False
NAMES = {
    "TLS_AES_256_GCM_SHA384": "TLS13-AES256-GCM-SHA384", "TLS_AES_128_GCM_SHA256": "TLS13-AES128-GCM-SHA256", "TLS_CHACHA20_POLY1305_SHA256": "TLS13-CHACHA20-POLY1305-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384": "DHE-RSA-AES256-GCM-SHA384", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256": "DHE-RSA-AES128-GCM-SHA256",
    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA": "DHE-RSA-AES128-SHA",
}
ALL = tuple(NAMES)
SUITES_13 = tuple(s for s in ALL if "_WITH_" not in s)
SUITES_12 = tuple(s for s in ALL if "_WITH_" in s)
AEAD = tuple(s for s in SUITES_12 if "ECDHE" in s and "GCM" in s)


@dataclass(frozen=True)
class Settings:
    least: str = "TLS 1.1"
    most: str = "TLS 1.3"
    suites: tuple = ALL
    keys: tuple = RSA

    def accepts(self):
        return Accepts(min_version=self.least, max_version=self.most, cipher_suites=self.suites, groups=GROUPS, certificates=self.keys, habits=HABITS)


GROUPS = ("secp521r1", "secp384r1", "secp256r1", "x25519", "ffdhe2048", "ffdhe3072")
HABITS = {"software": "wolfssl"}
LENIENT = Settings()
POLICIES = [
    ("min-1.2", "TLS 1.2 and later", Settings(least="TLS 1.2")),
    ("ecdhe", "TLS 1.2 and later with ECDHE and AEAD only", Settings(least="TLS 1.2", suites=SUITES_13 + AEAD)),
    ("only-1.3", "TLS 1.3 only", Settings(least="TLS 1.3", suites=SUITES_13)),
    ("only-1.2-rsa", "TLS 1.2 alone", Settings(least="TLS 1.2", most="TLS 1.2", suites=SUITES_12)),
    ("ecdsa-p256", "ECDSA certificate on P-256", Settings(keys=P256)),
    ("ecdsa-p384", "ECDSA certificate on P-384", Settings(least="TLS 1.2", keys=P384)),
]


class Servers(lines.Servers):
    def __init__(self, lab, deployments):
        super().__init__(lab, deployments, words)


def words(lab, d):
    s = d.settings
    (certificate, key), = certificates(lab, s.keys)
    return [lab.tools.wolfssl_program, "server", d.port, certificate, key, f"min={s.least[4:]}", f"max={s.most[4:]}", f"suites={':'.join(NAMES[n] for n in s.suites)}"]
