"""The client programs and their configurations: who they are, how one is run, what it says became of it."""

from collections.abc import Callable
from dataclasses import dataclass

from ..converse import PAGE, converse


@dataclass(frozen=True)
class Target:
    """Where a client goes."""
    address: str
    port: int
    name: str
    service: str          # "https", "smtp", "imap"


@dataclass(frozen=True)
class Attempt:
    """What the client's side says: "encrypted", "cleartext" (mail delivered without TLS) or "failed"."""
    outcome: str
    said: str = ""


@dataclass(frozen=True)
class Client:
    name: str
    stack: str                                     # the TLS implementation
    what: str                                      # the configuration, in words
    services: frozenset
    attempt: Callable                              # (lab, target) -> Attempt
    hidden: str = ""                               # what decides and does not show in its hello
    reduced: bool = False                          # also part of the short run
    alone: bool = False                            # must not run beside other clients


def pick(text, *needles, most=300):
    """The lines that hold one of `needles`, joined: what is kept as the client's word."""
    found = [line.strip() for line in text.splitlines() if any(n in line for n in needles)]
    return " | ".join(dict.fromkeys(found))[:most] or text.strip()[-most:]


def by_program(words):
    """The attempt of a program that prints the page, or a line of what happened that begins with "said:". `words(lab, target)` is its command line."""
    def attempt(lab, target):
        _, text = converse(lab.network.clients.enter(*words(lab, target)))
        return Attempt("encrypted" if PAGE in text else "failed", pick(text, "said:"))
    return attempt


def every(reduced=False):
    """All client configurations, in the order that gives them their numbers; or those of the short run, for which less is installed."""
    from . import bearssl, browsers, golang, gnutls, java, mbedtls, node, nss, openssl, others, python, rustls, senders, tlslite, wolfssl
    modules = [openssl, gnutls, nss, java, python, node, golang, tlslite, browsers, senders, mbedtls, others, rustls, bearssl, wolfssl]
    if not reduced:
        from . import boringssl, bouncycastle, haskell, openssl4, s2n, scripts, utls
        modules += [boringssl, s2n, bouncycastle, openssl4, scripts, utls, haskell]
    found = [c for module in modules for c in module.CLIENTS] + golang.NEWER + senders.MSMTP
    if reduced:
        found = [c for c in found if c.reduced]
    assert len({c.name for c in found}) == len(found), "two clients of one name"
    return found
