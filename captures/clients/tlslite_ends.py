"""A TLS client and server on tlslite-ng, which still has SSL 3.0. Each connection prints one line of JSON from its session.

client ADDRESS PORT MIN MAX [SNI]      server PORT MIN MAX CERT KEY [MANNER]      (versions "3.0" = SSL 3.0 … "3.4" = TLS 1.3)

MANNER: what the server does with a hello that offers more than MAX, in place of choosing MAX: `close` or `reset`.
"""

import json
import socket
import struct
import sys

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.constants import CipherSuite, ExtensionType
from tlslite.messages import ClientHello
from tlslite.utils.codec import Parser

NAMES = {(3, 0): "SSL 3.0", (3, 1): "TLS 1.0", (3, 2): "TLS 1.1", (3, 3): "TLS 1.2", (3, 4): "TLS 1.3"}
HELLO_EXTENSIONS = []  # of the last ClientHello that was parsed; the library tells it to nobody


def settings(low, high):
    chosen = HandshakeSettings()
    chosen.minVersion, chosen.maxVersion = (tuple(int(n) for n in v.split(".")) for v in (low, high))
    # Its own list leaves SSL 3.0 out even where it is the least version.
    chosen.versions = [v for v in ((3, 4), (3, 3), (3, 2), (3, 1), (3, 0)) if chosen.minVersion <= v <= chosen.maxVersion]
    if chosen.maxVersion < (3, 3):
        # As the devices of that time: no elliptic curves, 3DES and RC4 among the suites.
        chosen.cipherNames = ["aes128", "aes256", "3des", "rc4"]
        chosen.macNames = ["sha", "md5"]
        chosen.keyExchangeNames = ["rsa", "dhe_rsa"]
        chosen.useEncryptThenMAC = chosen.useExtendedMasterSecret = False
    return chosen


def watch_hellos():
    parse = ClientHello.parse

    def watched(self, parser):
        hello = parse(self, parser)
        HELLO_EXTENSIONS[:] = [extension.extType for extension in self.extensions or []]
        return hello

    ClientHello.parse = watched


def waiting_hello(plain):
    """The ClientHello that `plain` has received and that stays there to be read."""
    record = plain.recv(5, socket.MSG_PEEK | socket.MSG_WAITALL)
    record = plain.recv(5 + int.from_bytes(record[3:], "big"), socket.MSG_PEEK | socket.MSG_WAITALL)
    hello = ClientHello()
    hello.parse(Parser(bytearray(record[6:])))  # Behind the record's header and the message's type.
    return hello


def offered(hello):
    extension = hello.getExtension(ExtensionType.supported_versions)
    return [v for v in (extension.versions if extension else [hello.client_version]) if v in NAMES]


def told(hello):
    return {"hello_versions": [NAMES[v] for v in offered(hello)], "fallback_scsv": CipherSuite.TLS_FALLBACK_SCSV in hello.cipher_suites,
            "server_name": hello.server_name.decode() or None}


def report(connection, port, error=None, more=()):
    entry = {"client_port": port, **dict(more)}
    if connection.session and connection.session.cipherSuite:
        entry |= {"version": connection.getVersionName(), "cipher": connection.getCipherName(), "suite": connection.session.cipherSuite,
                  "resumed": connection.resumed}
    if HELLO_EXTENSIONS:
        entry["hello_extensions"] = list(HELLO_EXTENSIONS)
    if error:
        entry["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(entry), flush=True)


def client(address, port, low, high, sni=None):
    plain = socket.create_connection((address, int(port)))
    local = plain.getsockname()[1]
    connection = TLSConnection(plain)
    try:
        connection.handshakeClientCert(settings=settings(low, high), serverName=sni)
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        connection.read(min=1, max=4096)
        report(connection, local)
        connection.close()
    except Exception as error:
        report(connection, local, error)


def turn_away(plain, manner):
    plain.recv(65536)
    if manner == "reset":
        # No lingering: closing sends RST.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plain.close()


def server(port, low, high, cert, key, manner=None):
    chain, private = X509CertChain(), parsePEMKey(open(key).read(), private=True)
    chain.parsePemList(open(cert).read())
    watch_hellos()
    listener = socket.create_server(("0.0.0.0", int(port)))
    print("listening", flush=True)
    while True:
        plain, peer = listener.accept()
        connection, more = TLSConnection(plain), {}
        try:
            if manner:
                hello = waiting_hello(plain)
                more = told(hello)
                if max(offered(hello)) > settings(low, high).maxVersion:
                    turn_away(plain, manner)
                    report(connection, peer[1], more={**more, "manner": manner})
                    continue
            plain.settimeout(10)
            connection.handshakeServer(certChain=chain, privateKey=private, settings=settings(low, high), alpn=[b"http/1.1"])
            connection.read(min=1, max=4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
            report(connection, peer[1], more=more)
            connection.close()
        except Exception as error:
            report(connection, peer[1], error, more)
            plain.close()


if __name__ == "__main__":
    {"client": client, "server": server}[sys.argv[1]](*sys.argv[2:])
