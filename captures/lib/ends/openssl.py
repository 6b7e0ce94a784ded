"""OpenSSL's s_client and s_server."""

import functools
import re
import subprocess

from ..process import Background, run
from ..said import Said, pick

VERSION_OPTION = {"TLS 1.0": "-tls1", "TLS 1.1": "-tls1_1", "TLS 1.2": "-tls1_2", "TLS 1.3": "-tls1_3"}
# OpenSSL 3 takes TLS 1.0 and 1.1 (whose signatures use SHA-1) only at this level.
ANY = "DEFAULT:@SECLEVEL=0"
HTTP = "GET / HTTP/1.0\r\n\r\n"


@functools.cache
def name():
    return subprocess.run(["openssl", "version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split("(")[0].strip()


def connect(client, target, *options, only=None, sni=None, cipher=ANY, stdin=((0.6, HTTP), (0.8, "")), port=None, quiet=False, seconds=20):
    """Runs s_client to `target` ("10.0.0.1:443"); `only` restricts it to one version."""
    port = port or client.next_port()
    words = ["openssl", "s_client", "-connect", target, "-cipher", cipher]
    words += [VERSION_OPTION[only]] if only else ["-min_protocol", "TLSv1"]
    words += ["-servername", sni] if sni else ["-noservername"]
    if not quiet:
        words.append("-ign_eof" if "-starttls" in options else "-no_ign_eof")
    text = run(client.enter(*words, *options), stdin=list(stdin), seconds=seconds)
    return read(text, port)


def read(text, port=None):
    said = Said(text=text, port=port)
    said.line = pick(text, "Cipher is", "Protocol  :", "Server Temp Key", "Verification", "Verify return code", "ALPN protocol",
                     "Extended master secret", "alert", "errno", "wrong version number", "unexpected eof", "no protocols available")
    summary = re.search(r"^(New|Reused), (\S+), Cipher is (\S+)", text, re.M)
    if summary and summary[3] != "(NONE)":
        said.resumed = summary[1] == "Reused"
        said.cipher = summary[3]
        protocol = re.search(r"^\s+Protocol\s+: (\S+)", text, re.M)
        # The summary gives the suite's version, which for TLS <= 1.2 is not the session's.
        said.version = protocol[1] if protocol else (summary[2] if summary[2] == "TLSv1.3" else None)
        key = re.search(r"Server Temp Key: (?:ECDH, )?([^,\s]+),", text)
        if key and key[1] != "DH":
            said.group = key[1]
        alpn = re.search(r"^ALPN protocol: (\S+)", text, re.M)
        said.alpn = alpn[1] if alpn else None
        ems = re.search(r"Extended master secret: (yes|no)", text)
        if ems and said.version != "TLSv1.3":
            said.ems = ems[1] == "yes"
    return said


def server(host, cert, key, *options, port=443, only=None, cipher=ANY, www=True):
    """s_server as a context manager."""
    words = ["openssl", "s_server", "-accept", port, "-cert", cert, "-key", key, "-cipher", cipher]
    words += [VERSION_OPTION[only]] if only else []
    words += ["-www"] if www else []
    return Background(host.enter(*words, *options), ready="ACCEPT")
