"""A client on tlslite-ng: ADDRESS PORT NAME OPTIONS, the options a JSON object of HandshakeSettings. Prints the page if it came through."""

import json
import socket
import sys

from tlslite.api import HandshakeSettings, TLSConnection


def main(address, port, name, options):
    options = json.loads(options)
    settings = HandshakeSettings()
    settings.minVersion, settings.maxVersion = tuple(options.pop("low", (3, 1))), tuple(options.pop("high", (3, 4)))
    settings.versions = [v for v in ((3, 4), (3, 3), (3, 2), (3, 1)) if settings.minVersion <= v <= settings.maxVersion]
    for key, value in options.items():
        assert hasattr(settings, key), key
        setattr(settings, key, value)
    plain = socket.create_connection((address, int(port)), timeout=8)
    connection = TLSConnection(plain)
    try:
        connection.handshakeClientCert(settings=settings, serverName=name)
        print("said:", connection.getVersionName(), connection.getCipherName())
        connection.sendall(b"GET /page.html HTTP/1.0\r\nHost: www.cutover.example\r\n\r\n")
        text = b""
        while b"the cut-over page" not in text and (more := connection.read(min=1, max=4096)):
            text += more
        print(text.decode())
        connection.close()
    except Exception as error:
        # Its own alerts cannot be made a text of where they carry no message.
        print("said:", type(error).__name__, vars(error))


main(*sys.argv[1:])
