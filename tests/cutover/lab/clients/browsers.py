"""Chromium, headless."""

import functools
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from ..converse import PAGE, PATH, converse
from . import Attempt, Client
from .openssl import HTTPS

OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--disable-extensions", "--no-default-browser-check",
           "--disable-features=OptimizationHints,MediaRouter,Translate", "--ignore-certificate-errors", "--dump-dom"]
# No connections on suspicion: each one shall be one that the server's log has.
PREFERENCES = {"net": {"network_prediction_options": 2}, "search": {"suggest_enabled": False}}

# A page of a type that it does not show becomes a download: the navigation ends, and nothing of TLS failed.
DOWNLOAD = "Page load failed: net::ERR_ABORTED"


@functools.cache
def stack():
    text = subprocess.run(["chromium", "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    return "BoringSSL (Chromium " + text.split()[1].split(".")[0] + ")"


def chromium(*options):
    def attempt(lab, target):
        profile = Path(tempfile.mkdtemp(prefix="profile-", dir=lab.folder))
        (profile / "Default").mkdir()
        (profile / "Default" / "Preferences").write_text(json.dumps(PREFERENCES))
        words = ["chromium", *OPTIONS, f"--user-data-dir={profile}", f"--host-resolver-rules=MAP {target.name} {target.address}, MAP * ~NOTFOUND", *options,
                 f"https://{target.name}:{target.port}{PATH}"]
        _, text = converse(lab.network.clients.enter(*words), until=(PAGE, DOWNLOAD), seconds=30)
        shutil.rmtree(profile, ignore_errors=True)
        if PAGE in text:
            return Attempt("encrypted", "page loaded")
        if DOWNLOAD in text:
            return Attempt("encrypted", "page downloaded")
        error = re.search(r"net::(ERR_\w+)", text)
        return Attempt("failed", error[1]) if error else Attempt("late", text[-300:].strip())
    return attempt


CLIENTS = [
    Client("chromium-default", stack(), "as it is", HTTPS, chromium(), reduced=True),
    Client("chromium-1.2", stack(), "TLS 1.2 at most", HTTPS, chromium("--ssl-version-max=tls1.2")),
    Client("chromium-1.3", stack(), "TLS 1.3 alone", HTTPS, chromium("--ssl-version-min=tls1.3")),
]
