"""Servers on Java's JSSE, a virtual machine for each policy, since its groups and signatures are properties of the machine."""

import functools
import subprocess
from dataclasses import dataclass

from ..openssl import PROTOCOL
from ..openssl_policies import P256, RSA
from ..policy import Accepts, versions_between
from . import lines

NAME, SERVICE = "jsse", "https"
ONE_AT_A_TIME = False
SUITES_13 = ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256")
ECDHE = ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
         "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256")
ECDHE_CBC = ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA")
DHE = ("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA")
RSA_KX = ("TLS_RSA_WITH_AES_256_GCM_SHA384", "TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_CBC_SHA", "TLS_RSA_WITH_AES_128_CBC_SHA")
TRIPLE = ("TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA")
ALL = ECDHE + ECDHE_CBC + DHE + RSA_KX + TRIPLE
# JDK 17's own order.
GROUPS = ("x25519", "secp256r1", "secp384r1", "secp521r1", "x448", "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192")
SIGNATURES = ("ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512", "ed25519", "ed448", "rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384",
              "rsa_pss_rsae_sha512", "rsa_pss_pss_sha256", "rsa_pss_pss_sha384", "rsa_pss_pss_sha512", "rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512",
              "ecdsa_sha224", "rsa_pkcs1_sha224", "ecdsa_sha1", "rsa_pkcs1_sha1")


@dataclass(frozen=True)
class Settings:
    least: str = "TLS 1.0"
    most: str = "TLS 1.3"
    suites: tuple = ALL
    groups: tuple = GROUPS
    signatures: tuple = SIGNATURES
    keys: tuple = ("RSA-2048", "ECDSA P-256")
    extended_master_secret: str | None = None

    @property
    def every_suite(self):
        return (SUITES_13 if self.most == "TLS 1.3" else ()) + (self.suites if self.least <= "TLS 1.2" else ())

    def accepts(self):
        return Accepts(min_version=self.least, max_version=self.most, cipher_suites=self.every_suite, groups=self.groups, signature_algorithms=self.signatures,
                       certificates=self.keys, extended_master_secret=self.extended_master_secret, habits=HABITS)



HABITS = {"software": "jsse"}
LENIENT = Settings()
POLICIES = [
    ("min-1.2", "TLS 1.2 and later", Settings(least="TLS 1.2")),
    ("ecdhe", "TLS 1.2 and later with ECDHE only", Settings(least="TLS 1.2", suites=ECDHE)),
    ("only-1.3", "TLS 1.3 only", Settings(least="TLS 1.3")),
    ("only-1.2-rsa", "TLS 1.2 alone, RSA certificate", Settings(least="TLS 1.2", most="TLS 1.2", keys=RSA)),
    ("p256", "P-256 only", Settings(least="TLS 1.2", suites=ECDHE, groups=("secp256r1",), keys=RSA)),
    ("ecdsa-p256", "ECDSA certificate on P-256", Settings(keys=P256)),
    ("ecdsa-p256-x25519", "ECDSA certificate on P-256, x25519 only", Settings(least="TLS 1.2", keys=P256, groups=("x25519",))),
    ("ems-required", "TLS 1.2 with extended_master_secret", Settings(least="TLS 1.2", most="TLS 1.2", keys=RSA, extended_master_secret="required")),
    ("ems-required-1.3", "TLS 1.2 and 1.3, extended_master_secret required in TLS 1.2", Settings(least="TLS 1.2", keys=RSA, extended_master_secret="required")),
    ("pss-sha256", "signatures RSA-PSS with SHA-256 only", Settings(least="TLS 1.2", keys=RSA, signatures=("rsa_pss_rsae_sha256",))),
    ("pkcs1-sha256", "TLS 1.2 with signatures RSA PKCS #1 with SHA-256 only",
     Settings(least="TLS 1.2", most="TLS 1.2", keys=RSA, signatures=("rsa_pkcs1_sha256",))),
    ("dhe-only", "TLS 1.2 with DHE only", Settings(least="TLS 1.2", most="TLS 1.2", suites=DHE, keys=RSA)),
    ("rsa-kx-3des", "TLS 1.0 to 1.2 with TLS_RSA and 3DES only", Settings(most="TLS 1.2", suites=("TLS_RSA_WITH_3DES_EDE_CBC_SHA",), keys=RSA)),
]


@functools.cache
def version():
    from ..clients.java import stack
    return stack()


class Servers(lines.Servers):
    def __init__(self, lab, deployments):
        super().__init__(lab, deployments, words)


def words(lab, d):
    s = d.settings
    properties = [f"jdk.tls.namedGroups={','.join(s.groups)}", f"jdk.tls.server.SignatureSchemes={','.join(s.signatures)}"]
    properties += ["jdk.tls.allowLegacyMasterSecret=false"] if s.extended_master_secret else []
    suites = [name.replace("TLS_", "SSL_") if name == "TLS_RSA_WITH_3DES_EDE_CBC_SHA" else name for name in s.every_suite]
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx64m", "-Djava.net.preferIPv4Stack=true", f"-Djava.security.properties={lab.relaxed_java}",
            *(f"-D{p}" for p in properties), "-cp", lab.java_classes, "CutoverServer", d.port, ",".join(PROTOCOL[v] for v in versions_between(s.least, s.most)),
            ",".join(suites), *(p12(lab, kind) for kind in s.keys)]


def p12(lab, kind):
    """The certificate and key of that kind in a file for Java."""
    certificate, key = lab.certificate(kind)
    path = certificate.with_suffix(".p12")
    if not path.exists():
        subprocess.run(["openssl", "pkcs12", "-export", "-in", certificate, "-inkey", key, "-out", path, "-passout", "pass:changeit"], check=True)
    return path
