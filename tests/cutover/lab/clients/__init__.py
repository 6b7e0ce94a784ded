"""The client programs and their configurations: who they are, how one is run, what it says became of it."""

from collections.abc import Callable
from dataclasses import dataclass


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


def every():
    """All client configurations, in the order that gives them their numbers."""
    from . import browsers, golang, gnutls, java, mbedtls, node, nss, openssl, others, python, senders, tlslite
    found = [c for module in (openssl, gnutls, nss, java, python, node, golang, tlslite, browsers, senders, mbedtls, others) for c in module.CLIENTS]
    assert len({c.name for c in found}) == len(found), "two clients of one name"
    return found
