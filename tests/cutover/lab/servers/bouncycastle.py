"""Servers on Bouncy Castle's JSSE provider, a virtual machine for each policy."""

from dataclasses import dataclass

from ..clients.bouncycastle import java
from ..clients.bouncycastle import stack as version  # noqa: F401
from ..openssl import PROTOCOL
from ..openssl_policies import P256, RSA
from ..policy import Accepts, versions_between
from . import lines
from .jsse import DHE, ECDHE, ECDHE_CBC, RSA_KX, SUITES_13, p12

NAME, SERVICE = "bouncycastle", "https"
ONE_AT_A_TIME = False
ALL = ECDHE + ECDHE_CBC + DHE + RSA_KX
GROUPS = ("x25519", "x448", "secp256r1", "secp384r1", "secp521r1", "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192")


@dataclass(frozen=True)
class Settings:
    least: str = "TLS 1.0"
    most: str = "TLS 1.3"
    suites: tuple = ALL
    groups: tuple = GROUPS
    keys: tuple = ("RSA-2048", "ECDSA P-256")

    @property
    def every_suite(self):
        return (SUITES_13 if self.most == "TLS 1.3" else ()) + (self.suites if self.least <= "TLS 1.2" else ())

    def accepts(self):
        return Accepts(min_version=self.least, max_version=self.most, cipher_suites=self.every_suite, groups=self.groups, certificates=self.keys, habits=HABITS)


HABITS = {"software": "bouncycastle"}
LENIENT = Settings()
POLICIES = [
    ("min-1.2", "TLS 1.2 and later", Settings(least="TLS 1.2")),
    ("ecdhe", "TLS 1.2 and later with ECDHE only", Settings(least="TLS 1.2", suites=ECDHE)),
    ("only-1.3", "TLS 1.3 only", Settings(least="TLS 1.3")),
    ("p256", "P-256 only", Settings(least="TLS 1.2", suites=ECDHE, groups=("secp256r1",), keys=RSA)),
    ("ecdsa-p256", "ECDSA certificate on P-256", Settings(keys=P256)),
    ("dhe-only", "TLS 1.2 with DHE only", Settings(least="TLS 1.2", most="TLS 1.2", suites=DHE, keys=RSA)),
]


class Servers(lines.Servers):
    def __init__(self, lab, deployments):
        super().__init__(lab, deployments, words)


def words(lab, d):
    s = d.settings
    return [*java(lab, [f"jdk.tls.namedGroups={','.join(s.groups)}"]), "CutoverServer", d.port, ",".join(PROTOCOL[v] for v in versions_between(s.least, s.most)),
            ",".join(s.every_suite), *(p12(lab, kind) for kind in s.keys)]
