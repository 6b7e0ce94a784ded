"""Settings of a server on GnuTLS, and what they amount to: as `gnutls-cli --list` says of a priority string."""

import functools
import re
import subprocess
from dataclasses import dataclass

from .policy import VERSIONS, Accepts


@dataclass(frozen=True)
class Settings:
    priority: str
    keys: tuple = ("RSA-2048", "ECDSA P-256")
    extended_master_secret: str | None = None
    encrypt_then_mac: str | None = None

    def accepts(self):
        listed = listing(self.priority)
        versions = [v for v in VERSIONS if v in listed["versions"]]
        order = "server" if "%SERVER_PRECEDENCE" in self.priority else "client"
        return Accepts(min_version=versions[0], max_version=versions[-1], cipher_suites=listed["suites"], groups=listed["groups"],
                       signature_algorithms=listed["signatures"], certificates=self.keys, extended_master_secret=self.extended_master_secret,
                       encrypt_then_mac=self.encrypt_then_mac, habits={"software": "gnutls", "suite_order": order})


@functools.cache
def listing(priority):
    text = subprocess.run(["gnutls-cli", "--list", "--priority", priority], stdout=subprocess.PIPE, text=True, check=True).stdout

    def line(title):
        found = re.search(rf"^{title}: (.*)$", text, re.M)
        return found[1].split(", ") if found and found[1] != "none" else []

    suites = tuple(suite(name) for name in re.findall(r"^(TLS_\w+)\s+0x", text, re.M))
    return {"versions": [v.replace("VERS-TLS", "TLS ") for v in line("Protocols")], "suites": suites,
            "groups": tuple(g.removeprefix("GROUP-").lower() for g in line("Groups")),
            "signatures": tuple(dict.fromkeys(signature(s.removeprefix("SIGN-")) for s in line("PK-signatures")))}


def suite(name):
    """GnuTLS' name made IANA's."""
    name = re.sub(r"CHACHA20_POLY1305$", "CHACHA20_POLY1305_SHA256", name)
    name = re.sub(r"SHA1$", "SHA", name)
    return re.sub(r"^TLS_((?:ECDHE|DHE)_(?:ECDSA|RSA|DSS)|RSA)_", r"TLS_\1_WITH_", name)


def signature(name):
    """GnuTLS' name made IANA's. In TLS 1.2 "ECDSA with SHA-256" is the number that TLS 1.3 binds to P-256."""
    curve = {"256": "secp256r1", "384": "secp384r1", "512": "secp521r1"}
    if found := re.fullmatch(r"RSA-PSS-RSAE-SHA(\d+)", name):
        return f"rsa_pss_rsae_sha{found[1]}"
    if found := re.fullmatch(r"RSA-PSS-SHA(\d+)", name):
        return f"rsa_pss_pss_sha{found[1]}"
    if found := re.fullmatch(r"RSA-SHA(\d+)", name):
        return f"rsa_pkcs1_sha{found[1]}"
    if found := re.fullmatch(r"ECDSA-(?:SECP\d+R1-)?SHA(\d+)", name):
        return f"ecdsa_{curve[found[1]]}_sha{found[1]}" if found[1] in curve else f"ecdsa_sha{found[1]}"
    return name.removeprefix("EdDSA-").lower()
