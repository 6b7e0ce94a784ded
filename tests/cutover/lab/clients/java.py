"""Java's JSSE."""

import functools
import subprocess

from ..converse import PAGE, converse
from . import Attempt, Client, pick
from .openssl import HTTPS

RELAXED = "jdk.tls.disabledAlgorithms=\njdk.certpath.disabledAlgorithms=\njdk.tls.legacyAlgorithms=\n"
MAIL = frozenset({"https", "smtp"})


@functools.cache
def stack():
    text = subprocess.run(["java", "-version"], stderr=subprocess.PIPE, text=True, check=True).stderr
    return "JSSE " + text.splitlines()[0].split('"')[1]


def jsse(protocols="", suites="", properties=(), relaxed=False, sni=True):
    def attempt(lab, target):
        words = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true", *(f"-D{p}" for p in properties)]
        words += [f"-Djava.security.properties={lab.relaxed_java}"] if relaxed else []
        words += ["-cp", lab.java_classes, "CutoverClient", target.service, target.address, target.port, target.name if sni else ""]
        words += [f"protocols={protocols}"] if protocols else []
        words += [f"suites={suites}"] if suites else []
        _, text = converse(lab.network.clients.enter(*words))
        return Attempt("encrypted" if PAGE in text else "failed", pick(text, "said:"))
    return attempt


def client(name, what, services=HTTPS, hidden="", reduced=False, **more):
    return Client(f"java-{name}", stack(), what, services, jsse(**more), hidden, reduced)


RSA_KX = "TLS_RSA_WITH_AES_128_CBC_SHA,TLS_RSA_WITH_AES_256_CBC_SHA,TLS_RSA_WITH_AES_128_GCM_SHA256"
CLIENTS = [
    client("default", "as it is", services=MAIL, reduced=True),
    client("tls1.2", "TLS 1.2 alone", protocols="TLSv1.2", services=MAIL),
    client("tls1.0", "TLS 1.0 alone, what new runtimes switch off switched on: as Java 6 and 7", protocols="TLSv1", relaxed=True, services=MAIL, reduced=True),
    client("tls1.0-1.2", "TLS 1.0 to 1.2: as Java 8", protocols="TLSv1,TLSv1.1,TLSv1.2", relaxed=True),
    client("tls1.3", "TLS 1.3 alone", protocols="TLSv1.3"),
    client("rsa-kx", "TLS 1.2 with TLS_RSA suites, which new runtimes switch off", protocols="TLSv1.2", suites=RSA_KX, relaxed=True),
    client("3des", "TLS 1.0 to 1.2 with 3DES only", protocols="TLSv1,TLSv1.1,TLSv1.2", suites="SSL_RSA_WITH_3DES_EDE_CBC_SHA", relaxed=True),
    client("p256", "P-256 alone", properties=["jdk.tls.namedGroups=secp256r1"]),
    client("p384-1.2", "TLS 1.2, P-384 alone", protocols="TLSv1.2", properties=["jdk.tls.namedGroups=secp384r1"], reduced=True),
    client("ffdhe", "ffdhe2048 alone", properties=["jdk.tls.namedGroups=ffdhe2048"]),
    client("sig-pkcs1", "TLS 1.2, RSA PKCS #1 with SHA-256 alone", protocols="TLSv1.2", properties=["jdk.tls.client.SignatureSchemes=rsa_pkcs1_sha256"]),
    client("sig-ecdsa", "ECDSA on P-256 alone", properties=["jdk.tls.client.SignatureSchemes=ecdsa_secp256r1_sha256"], suites="TLS_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    client("no-ems", "TLS 1.2 without extended_master_secret", protocols="TLSv1.2", properties=["jdk.tls.useExtendedMasterSecret=false"]),
    client("no-name", "without server_name", sni=False),
]
