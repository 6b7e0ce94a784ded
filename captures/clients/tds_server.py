"""A small server that speaks TDS 7.4 as far as PRELOGIN, TLS in its packets and the answer to a login, which it always refuses.

tds_server.py PORT ENCRYPTION CERT KEY VERSION        ENCRYPTION: off, on, not-supported, required; VERSION: "TLSv1", …
"""

import json
import socket
import ssl
import struct
import sys

CODES = {"off": 0, "on": 1, "not-supported": 2, "required": 3}
PRELOGIN, LOGIN, ANSWER, LAST = 0x12, 0x10, 0x04, 1


def exactly(stream, count):
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise ConnectionError("the client closed the connection")
        data += more
    return data


def message(read):
    """One message's type and data; `read` gives so many bytes."""
    data = b""
    while True:
        kind, status, length = struct.unpack(">BBH", read(8)[:4])
        data += read(length - 8)
        if status & LAST:
            return kind, data


def packet(kind, data):
    return struct.pack(">BBHHBB", kind, LAST, len(data) + 8, 0, 1, 0) + data


def encryption_of(prelogin):
    at = 0
    while prelogin[at] != 0xFF:
        option, offset, length = struct.unpack(">BHH", prelogin[at:at + 5])
        if option == 1:
            return prelogin[offset]
        at += 5
    return None


def handshake(stream, context):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    while True:
        try:
            tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            done = False
        except ssl.SSLError:
            if outgoing.pending:
                stream.sendall(packet(PRELOGIN, outgoing.read()))
            raise
        if outgoing.pending:
            # What follows a finished handshake (TLS 1.3's tickets) is wrapped no more; there is none here.
            stream.sendall(packet(PRELOGIN, outgoing.read()))
        if done:
            return tls, incoming
        incoming.write(message(lambda count: exactly(stream, count))[1])


def serve(stream, encryption, context):
    told = {}
    read = lambda count: exactly(stream, count)  # noqa: E731
    try:
        _, prelogin = message(read)
        asked = encryption_of(prelogin)
        told["client_encryption"] = asked
        options = struct.pack(">BHHBHHB", 0, 11, 6, 1, 17, 1, 0xFF)
        stream.sendall(packet(ANSWER, options + bytes([15, 0, 7, 208, 0, 0, CODES[encryption]])))
        if encryption != "not-supported" and asked != 2:
            tls, incoming = handshake(stream, context)
            told |= {"version": tls.version(), "cipher": tls.cipher()[0]}
            held = b""

            def read(count):
                nonlocal held
                while len(held) < count:
                    try:
                        held += tls.read(65536)
                    except ssl.SSLWantReadError:
                        incoming.write(exactly(stream, 1) + b"")
                data, held = held[:count], held[count:]
                return data

        kind, _ = message(read)
        told["login"] = kind == LOGIN
        text = "Login failed.".encode("utf-16-le")
        error = struct.pack("<IBBH", 18456, 1, 14, 13) + text + b"\0\0" + struct.pack("<I", 1)
        token = b"\xaa" + struct.pack("<H", len(error)) + error + b"\xfd" + struct.pack("<HHQ", 2, 0, 0)
        if not told.get("version"):
            stream.sendall(packet(ANSWER, token))
    except Exception as problem:  # Whatever ends the session is what the server has to say of it.
        told["error"] = f"{type(problem).__name__}: {problem}"
    stream.close()
    print(json.dumps(told), flush=True)


def main(port, encryption, cert, key, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    context.num_tickets = 0
    context.load_cert_chain(cert, key)
    listener = socket.create_server(("0.0.0.0", int(port)))
    print("listening", flush=True)
    while True:
        stream, _ = listener.accept()
        stream.settimeout(10)
        serve(stream, encryption, context)


if __name__ == "__main__":
    main(*sys.argv[1:])
