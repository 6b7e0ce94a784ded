"""Bouncy Castle's JSSE provider: a TLS of its own behind Java's interface."""

import functools
import subprocess

from . import Client, by_program
from .openssl import HTTPS

JARS = ["/usr/share/java/bcprov.jar", "/usr/share/java/bcutil.jar", "/usr/share/java/bcpkix.jar", "/usr/share/java/bctls.jar"]
PROVIDERS = "org.bouncycastle.jce.provider.BouncyCastleProvider,org.bouncycastle.jsse.provider.BouncyCastleJsseProvider"


@functools.cache
def stack():
    text = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "libbctls-java"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return "Bouncy Castle " + text.split("-")[0]


def java(lab, properties=(), relaxed=True):
    """The beginning of the command line."""
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx64m", "-Djava.net.preferIPv4Stack=true", "-Djava.security.egd=file:/dev/urandom",
            f"-Dcutover.providers={PROVIDERS}", *(f"-D{p}" for p in properties), *([f"-Djava.security.properties={lab.relaxed_java}"] if relaxed else []),
            "-cp", ":".join([str(lab.java_classes), *JARS])]


def client(name, what, protocols="", suites="", properties=(), relaxed=False, sni=True):
    def words(lab, target):
        found = [*java(lab, properties, relaxed), "CutoverClient", target.service, target.address, target.port, target.name if sni else ""]
        return found + ([f"protocols={protocols}"] if protocols else []) + ([f"suites={suites}"] if suites else [])
    return Client(f"bouncycastle-{name}", stack(), what, HTTPS, by_program(words))


CLIENTS = [
    client("default", "as it is"),
    client("tls1.0-1.2", "TLS 1.0 to 1.2", protocols="TLSv1,TLSv1.1,TLSv1.2", relaxed=True),
    client("tls1.2", "TLS 1.2 alone", protocols="TLSv1.2"),
    client("tls1.3", "TLS 1.3 alone", protocols="TLSv1.3"),
    client("dhe", "TLS 1.2 with DHE only", protocols="TLSv1.2", suites="TLS_DHE_RSA_WITH_AES_128_GCM_SHA256,TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
    client("p384", "P-384 alone", properties=["jdk.tls.namedGroups=secp384r1"]),
    client("sig-pkcs1", "TLS 1.2, RSA PKCS #1 with SHA-256 alone", protocols="TLSv1.2", properties=["jdk.tls.client.SignatureSchemes=rsa_pkcs1_sha256"]),
]
