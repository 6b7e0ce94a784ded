"""Servers on Go's crypto/tls, all in one process."""

import functools
import json
from dataclasses import dataclass

from lib.process import Background

from ..openssl_policies import P256, P384, RSA
from ..policy import Accepts
from . import certificates

NAME, SERVICE = "go", "https"
ONE_AT_A_TIME = False
SUITES_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
AEAD = ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256")
CBC = ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA")
RSA_KX = ("TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_GCM_SHA384", "TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_AES_256_CBC_SHA")
TRIPLE = ("TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA")
GROUPS = ("x25519", "secp256r1", "secp384r1", "secp521r1")
# crypto/tls has no setting for these.
SIGNATURES = ("rsa_pss_rsae_sha256", "ecdsa_secp256r1_sha256", "ed25519", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512", "rsa_pkcs1_sha256", "rsa_pkcs1_sha384",
              "rsa_pkcs1_sha512", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512", "rsa_pkcs1_sha1", "ecdsa_sha1")


@dataclass(frozen=True)
class Settings:
    least: str = "TLS 1.0"
    most: str = "TLS 1.3"
    suites: tuple = AEAD + CBC + RSA_KX + TRIPLE
    groups: tuple = GROUPS
    keys: tuple = ("RSA-2048", "ECDSA P-256")
    server_name: str | None = None

    def accepts(self):
        suites = (SUITES_13 if self.most == "TLS 1.3" else ()) + (self.suites if self.least <= "TLS 1.2" else ())
        return Accepts(min_version=self.least, max_version=self.most, cipher_suites=suites, groups=self.groups, signature_algorithms=SIGNATURES,
                       certificates=self.keys, server_name=self.server_name, habits={"software": "go"})


LENIENT = Settings()
POLICIES = [
    ("min-1.2", "TLS 1.2 and later", Settings(least="TLS 1.2")),
    ("ecdhe", "TLS 1.2 and later with ECDHE only", Settings(least="TLS 1.2", suites=AEAD)),
    ("only-1.3", "TLS 1.3 only", Settings(least="TLS 1.3")),
    ("only-1.2-rsa", "TLS 1.2 alone, RSA certificate", Settings(least="TLS 1.2", most="TLS 1.2", keys=RSA)),
    ("p256", "P-256 only", Settings(least="TLS 1.2", suites=AEAD, groups=("secp256r1",), keys=RSA)),
    ("ecdsa-p256", "ECDSA certificate on P-256", Settings(keys=P256)),
    ("ecdsa-p384-x25519", "ECDSA certificate on P-384, x25519 only", Settings(least="TLS 1.2", keys=P384, groups=("x25519",))),
    ("rsa-kx", "TLS 1.2 with TLS_RSA suites only", Settings(least="TLS 1.2", most="TLS 1.2", suites=RSA_KX, keys=RSA)),
    ("cbc", "TLS 1.0 to 1.2 with ECDHE and CBC", Settings(most="TLS 1.2", suites=CBC, keys=RSA)),
    ("server-name", "TLS 1.2 and later, for known names only", Settings(least="TLS 1.2", server_name="required")),
]


@functools.cache
def version():
    from ..clients.golang import stack
    return stack()


class Servers(Background):
    def __init__(self, lab, deployments, program=None):
        self.lab = lab
        path = lab.folder / f"go-{deployments[0].port}.json"
        path.write_text(json.dumps([{"port": d.port, "least": d.settings.least, "most": d.settings.most, "groups": d.settings.groups, "suites": d.settings.suites,
                                     "certificates": [list(map(str, pair)) for pair in certificates(lab, d.settings.keys)],
                                     "known_name": lab.name if d.settings.server_name else ""} for d in deployments]))
        super().__init__(lab.network.servers.enter(program or lab.go_program, "servers", path), ready="listening")

    def before(self, deployment):
        return len(self.lines)

    def after(self, deployment, client_address, mark=0):
        def found():
            return [e for line in self.lines[mark:] if line.startswith("{") and (e := json.loads(line))["port"] == deployment.port and e["remote"] == client_address]

        self.lab.until(found, 0.5)
        entries = found()
        if not entries:
            return None, ""
        done = [e for e in entries if "version" in e]
        return ("completed", f"{done[-1]['version']} {done[-1]['cipher']}") if done else ("failed", " | ".join(e["error"] for e in entries)[:400])
