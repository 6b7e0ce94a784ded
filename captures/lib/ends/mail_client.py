"""The project's own mail client, on Python's ssl or on tlslite-ng."""

import json
import subprocess

from ..process import run
from ..said import Said
from .tlslite import SUITES


def name(tools):
    text = subprocess.run([tools.python, "-c", "import ssl, sys; print('Python', sys.version.split()[0], 'ssl on', ' '.join(ssl.OPENSSL_VERSION.split()[:2]))"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    return text.strip()


def session(tools, client, protocol, address, port, *options, **more):
    """Runs one session. `more` are the program's options: max="TLSv1", tls="implicit", …"""
    client.next_port()
    words = [f"--{k.replace('_', '-')}={v}" for k, v in more.items() if v is not None]
    text = run(client.enter(tools.python, "-W", "ignore", tools.clients / "mail_client.py", protocol, address, port, *words, *options))
    return read(text)


def read(text):
    lines = text.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise RuntimeError(f"mail client: {text[-1500:]}")
    entry = json.loads(lines[-1])
    cipher = SUITES.get(entry.get("suite")) or entry.get("cipher")
    return Said(text=text, line=" | ".join(lines[-6:]), version=entry.get("version"), cipher=cipher, resumed=entry.get("resumed"), port=entry["client_port"])
