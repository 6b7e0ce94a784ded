"""Headless Chromium; what it negotiated is taken from the server's log."""

import functools
import json
import subprocess
from pathlib import Path

from ..process import run

OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--disable-extensions", "--no-default-browser-check",
           "--disable-features=OptimizationHints,MediaRouter,Translate", "--ignore-certificate-errors", "--dump-dom"]


@functools.cache
def name():
    return subprocess.run(["chromium", "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout.strip().replace(" built on", ", on").split(",")[0]


# No connections on suspicion: each one shall be one that the server's log has.
PREFERENCES = {"net": {"network_prediction_options": 2}, "search": {"suggest_enabled": False}}


def visit(client, url, address, profile, *options):
    """Loads one page; the host of `url` is at `address`. Gives the page's text."""
    default = Path(profile) / "Default"
    default.mkdir(parents=True)
    (default / "Preferences").write_text(json.dumps(PREFERENCES))
    client.use_ports(50000, 50400)
    host = url.split("/")[2].split(":")[0]
    text = run(client.enter("timeout", "-s", "KILL", "25", "chromium", *OPTIONS, f"--user-data-dir={profile}",
                            f"--host-resolver-rules=MAP {host} {address}, MAP * ~NOTFOUND", *options, url), seconds=30)
    return "page loaded: " + text[text.rfind("<html"):].strip() if "<html" in text else text[-300:]
