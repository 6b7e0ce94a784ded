"""GnuTLS' gnutls-cli."""

import functools
import re
import subprocess

from ..process import run
from ..said import Said, pick

# Debian's GnuTLS has TLS 1.0 and 1.1 switched off unless they are asked for.
PRIORITY = {
    "TLS 1.0": "NORMAL:-VERS-ALL:+VERS-TLS1.0:%COMPAT", "TLS 1.1": "NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT",
    "TLS 1.2": "NORMAL:-VERS-ALL:+VERS-TLS1.2", "TLS 1.3": "NORMAL:-VERS-ALL:+VERS-TLS1.3",
}
HTTP = "GET / HTTP/1.0\r\n\r\n"


@functools.cache
def name():
    return "GnuTLS " + subprocess.run(["gnutls-cli", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[1]


def connect(client, address, port, *options, only=None, priority=None, sni=None, stdin=((0.8, HTTP), (0.8, "")), insecure=True):
    local = client.next_port()
    words = ["gnutls-cli", address, "-p", port, "--priority", priority or PRIORITY.get(only, "NORMAL:+VERS-TLS1.0:+VERS-TLS1.1")]
    words += ["--insecure"] if insecure else []
    words += ["--sni-hostname", sni, "--verify-hostname", sni] if sni else ["--disable-sni"]
    text = run(client.enter(*words, *options), stdin=list(stdin), seconds=20)
    return read(text, local)


def connect_twice(client, address, port, only, sni):
    """A session and its resumption, by one run of gnutls-cli; which of two client ports comes first is the kernel's choice."""
    base = client.next_port()
    client.use_ports(base, base + 1)
    text = run(client.enter("gnutls-cli", address, "-p", port, "--priority", PRIORITY[only], "--insecure", "--sni-hostname", sni,
                            "--verify-hostname", sni, "--resume"), stdin=[(1.5, HTTP), (0.8, "")], seconds=20)
    first, _, second = text.partition("trying to resume previous session")
    return read(first), read(second)


def read(text, port=None):
    said = Said(text=text, port=port)
    said.line = pick(text, "- Description:", "*** Fatal", "Received alert", "Error in the certificate", "- Options:", "This is a resumed session")
    described = re.search(r"- Description: \((\S+?)-(?:X\.509|PSK|ANON|RAW)", text)
    if described:
        said.version = described[1]
        said.resumed = "This is a resumed session" in text
        group = re.search(r"\(ECDHE-(\w+)\)", text)
        said.group = group[1] if group else None
        if "- Options:" in text and said.version != "TLS1.3":
            said.ems = "extended master secret" in text
    return said
