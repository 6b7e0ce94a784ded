"""BearSSL servers, a process for each policy."""

import subprocess
from dataclasses import dataclass

from ..clients.bearssl import stack as version  # noqa: F401
from ..openssl_policies import P256, P384, RSA
from ..policy import Accepts
from . import certificates, lines

NAME, SERVICE = "bearssl", "https"
ONE_AT_A_TIME = False
NUMBERS = {
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "cca9", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "cca8", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "c02b",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "c02f", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "c02c", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "c030",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": "c027", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "c013", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "c014",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "c009", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "c00a",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "009c", "TLS_RSA_WITH_AES_256_GCM_SHA384": "009d", "TLS_RSA_WITH_AES_128_CBC_SHA": "002f", "TLS_RSA_WITH_AES_256_CBC_SHA": "0035",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA": "000a",
}
ALL = tuple(NUMBERS)
AEAD = tuple(s for s in ALL if "ECDHE" in s and "CBC" not in s)
RSA_KX = tuple(s for s in ALL if s.startswith("TLS_RSA_"))
GROUPS = {"x25519": 29, "secp256r1": 23, "secp384r1": 24, "secp521r1": 25}
CURVE = {"sha256": "secp256r1_", "sha384": "secp384r1_", "sha512": "secp521r1_"}


@dataclass(frozen=True)
class Settings:
    least: str = "TLS 1.0"
    suites: tuple = ALL
    groups: tuple = tuple(GROUPS)
    hashes: tuple = ("sha1", "sha224", "sha256", "sha384", "sha512")
    keys: tuple = RSA
    order: str = "client"

    def accepts(self):
        signatures = tuple(f"{start}{h}" for h in self.hashes for start in (f"ecdsa_{CURVE.get(h, '')}", "rsa_pkcs1_"))
        return Accepts(min_version=self.least, max_version="TLS 1.2", cipher_suites=self.suites, groups=self.groups, signature_algorithms=signatures,
                       certificates=self.keys, habits=HABITS | {"suite_order": self.order})


HABITS = {"software": "bearssl"}
LENIENT = Settings()
POLICIES = [
    ("min-1.2", "TLS 1.2", Settings(least="TLS 1.2")),
    ("ecdhe", "TLS 1.2 with ECDHE and AEAD only", Settings(least="TLS 1.2", suites=AEAD)),
    ("p256", "P-256 only", Settings(least="TLS 1.2", suites=AEAD, groups=("secp256r1",), order="server")),
    ("ecdsa-p256", "ECDSA certificate on P-256", Settings(keys=P256)),
    ("ecdsa-p384-x25519", "ECDSA certificate on P-384, x25519 only", Settings(least="TLS 1.2", keys=P384, groups=("x25519",))),
    ("rsa-kx", "TLS 1.2 with TLS_RSA suites only", Settings(least="TLS 1.2", suites=RSA_KX)),
    ("sha256", "ECDHE and signatures with SHA-256 only", Settings(least="TLS 1.2", suites=("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",), hashes=("sha256",))),
]


class Servers(lines.Servers):
    def __init__(self, lab, deployments):
        super().__init__(lab, deployments, words)


def words(lab, d):
    s = d.settings
    (certificate, key), = certificates(lab, s.keys)
    groups = ",".join(str(GROUPS[g]) for g in s.groups)
    return [lab.tools.bearssl_program, "server", d.port, der(certificate, "x509"), der(key, "pkey"), f"min={s.least[4:]}", f"suites={','.join(NUMBERS[n] for n in s.suites)}",
            f"groups={groups}", f"hashes={','.join(s.hashes)}"] + (["order=server"] if s.order == "server" else [])


def der(path, kind):
    to = path.with_suffix(path.suffix + ".der")
    if not to.exists():
        subprocess.run(["openssl", kind, "-in", path, "-outform", "DER", "-out", to], check=True)
    return to
