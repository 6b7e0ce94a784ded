"""The server programs: how each is configured to a policy, started, and asked what became of a client.

A program's module gives a `Program`; its policies are started together, each on a port of its own.
"""

import importlib
from dataclasses import dataclass, field
from threading import Lock

from ..policy import Accepts

# The policies of the short run, whatever program has them.
REDUCED = {"min-1.2", "ecdhe", "only-1.3", "p256", "mozilla-intermediate", "ecdsa-p384-x25519", "only-1.2-rsa", "server-name", "min-1.2-insist", "etm-required",
           "ems-required"}


@dataclass
class Deployment:
    """One server program under one policy, on one port."""
    program: str
    policy: str
    title: str
    accepts: Accepts
    port: int
    service: str                                  # what is spoken there: "https", "smtp", "imap"
    settings: object = None
    lock: Lock = field(default_factory=Lock)      # held while a client runs, where the server's log cannot tell clients apart

    @property
    def file(self):
        return f"{self.program}--{self.policy}.toml"


def certificates(lab, keys):
    """The (certificate, key) files of a server that has these kinds of keys."""
    return [lab.certificate(kind) for kind in keys]


def program(name):
    """The module of the server program of that name."""
    return importlib.import_module("." + name.replace("-", "_"), __name__)
