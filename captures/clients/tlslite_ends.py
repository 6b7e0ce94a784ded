"""A TLS client and server on tlslite-ng, which still has SSL 3.0. Each connection prints one line of JSON from its session.

client ADDRESS PORT MIN MAX [SNI]      server PORT MIN MAX CERT KEY      (versions "3.0" = SSL 3.0 … "3.4" = TLS 1.3)
"""

import json
import socket
import sys

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.messages import ClientHello

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


def report(connection, port, error=None):
    entry = {"client_port": port}
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


def server(port, low, high, cert, key):
    chain, private = X509CertChain(), parsePEMKey(open(key).read(), private=True)
    chain.parsePemList(open(cert).read())
    watch_hellos()
    listener = socket.create_server(("0.0.0.0", int(port)))
    print("listening", flush=True)
    while True:
        plain, peer = listener.accept()
        plain.settimeout(10)
        connection = TLSConnection(plain)
        try:
            connection.handshakeServer(certChain=chain, privateKey=private, settings=settings(low, high), alpn=[b"http/1.1"])
            connection.read(min=1, max=4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
            report(connection, peer[1])
            connection.close()
        except Exception as error:
            report(connection, peer[1], error)
            plain.close()


if __name__ == "__main__":
    {"client": client, "server": server}[sys.argv[1]](*sys.argv[2:])
