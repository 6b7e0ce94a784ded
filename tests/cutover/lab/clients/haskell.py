"""Haskell's tls, as pandoc has it."""

import functools
import subprocess

from ..converse import PAGE, PATH, converse
from . import Attempt, Client
from .openssl import HTTPS


@functools.cache
def stack():
    text = subprocess.run(["pandoc", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return "Haskell tls (" + text.splitlines()[0] + ")"


def pandoc(lab, target):
    words = ["pandoc", "--no-check-certificate", "-f", "html", "-t", "plain", f"https://{target.name}:{target.port}{PATH}"]
    _, text = converse(lab.with_hosts(target, words))
    return Attempt("encrypted" if PAGE in text else "failed", " ".join(text.split())[-300:])


CLIENTS = [Client("pandoc", stack(), "as it is", HTTPS, pandoc)]
