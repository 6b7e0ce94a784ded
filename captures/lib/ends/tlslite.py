"""tlslite-ng, the stack that still speaks SSL 3.0."""

import json
import subprocess

from ..process import Background, run
from ..said import Said

NUMBER = {"SSL 3.0": "3.0", "TLS 1.0": "3.1", "TLS 1.1": "3.2", "TLS 1.2": "3.3", "TLS 1.3": "3.4"}


def name(tools):
    version = subprocess.run([tools.python, "-c", "import tlslite; print(tlslite.api.__version__)"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return f"tlslite-ng {version.strip()}"


def connect(tools, client, address, port, low, high, sni=None):
    client.next_port()
    text = run(client.enter(tools.python, tools.clients / "tlslite_ends.py", "client", address, port, NUMBER[low], NUMBER[high],
                            *([sni] if sni else [])))
    return read(text.strip().splitlines()[-1])


def server(tools, host, port, low, high, cert, key, *manner):
    """`manner`: how it turns away whoever offers more than `high`: "close" or "reset"."""
    return Background(host.enter(tools.python, tools.clients / "tlslite_ends.py", "server", port, NUMBER[low], NUMBER[high], cert, key, *manner), ready="listening")


def read(line):
    entry = json.loads(line)
    # tlslite-ng names the cipher alone ("aes128"); the suite's number is looked up with its own table.
    return Said(text=line, line=line, version=entry.get("version"), cipher=SUITES.get(entry.get("suite")), resumed=entry.get("resumed"),
                port=entry.get("client_port"))


SUITES = {
    0x0004: "TLS_RSA_WITH_RC4_128_MD5", 0x0005: "TLS_RSA_WITH_RC4_128_SHA", 0x000A: "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    0x0016: "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA", 0x002F: "TLS_RSA_WITH_AES_128_CBC_SHA", 0x0033: "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
    0x0035: "TLS_RSA_WITH_AES_256_CBC_SHA", 0x0039: "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", 0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384", 0x1303: "TLS_CHACHA20_POLY1305_SHA256", 0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    0xC030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 0xCCA8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
}
