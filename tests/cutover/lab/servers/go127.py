"""Servers on the crypto/tls of a Go that is much newer than Debian's."""

from dataclasses import replace

from ..openssl_policies import P384, RSA
from . import go
from .go import AEAD, GROUPS

NAME, SERVICE = "go127", "https"
ONE_AT_A_TIME = False
NEWER = ("X25519MLKEM768",) + GROUPS


def adapted(settings):
    return replace(settings, groups=NEWER) if settings.groups == GROUPS else settings


LENIENT = adapted(go.LENIENT)
POLICIES = [(name, what, adapted(s)) for name, what, s in [
    *(p for p in go.POLICIES if p[0] in ("min-1.2", "ecdhe", "only-1.3", "only-1.2-rsa", "p256", "ecdsa-p256", "rsa-kx")),
    ("ecdsa-p384", "ECDSA certificate on P-384", go.Settings(least="TLS 1.2", suites=AEAD, keys=P384)),
    ("pq", "X25519MLKEM768 only", go.Settings(least="TLS 1.3", groups=("X25519MLKEM768",), keys=RSA)),
]]


def version():
    return "Go 1.27"


class Servers(go.Servers):
    def __init__(self, lab, deployments):
        super().__init__(lab, deployments, lab.tools.newer_go_program)
