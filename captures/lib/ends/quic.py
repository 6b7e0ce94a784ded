"""QUIC by aioquic."""

import json
import subprocess

from ..process import Background, run
from ..said import Said


def name(tools):
    version = subprocess.run([tools.python, "-c", "import aioquic; print(aioquic.__version__)"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return f"aioquic {version.strip()}"


def connect(tools, client, address, port, server_name, ca, version="1", ticket=None):
    local = client.next_port()
    text = run(client.enter(tools.python, tools.clients / "quic_ends.py", "client", address, port, server_name, ca, local, version,
                            *([ticket] if ticket else [])))
    return read(text.strip().splitlines()[-1], local)


def server(tools, host, address, port, cert, key, *retry):
    return Background(host.enter(tools.python, tools.clients / "quic_ends.py", "server", address, port, cert, key, *retry), ready="listening")


def read(line, port=None):
    said = Said(line=line, text=line, port=port)
    entry = json.loads(line) if line.startswith("{") else {}
    if entry.get("suite"):
        said.expectation = {"carrier": "quic", "quic_version": entry["quic_version"], "outcome": "negotiated", "negotiated_version": "TLS 1.3",
                            "cipher_suite": entry["suite"], "resumed": entry["resumed"]}
    return said
