"""A server of AMQP 1.0 that goes over to TLS by the TLS protocol header (AMQP 1.0, part 5, section 5.2), which no broker that Debian has can do.

amqp_tls_server.py ADDRESS PORT CERT KEY VERSION    It answers the header, makes TLS, answers SASL's header within, and prints a line of JSON of each connection.
"""

import json
import socket
import ssl
import sys

TLS, SASL = b"AMQP\x02\x01\x00\x00", b"AMQP\x03\x01\x00\x00"


def serve(connection, context):
    said = {}
    try:
        connection.settimeout(5)
        header = connection.recv(8, socket.MSG_WAITALL)
        said["header"] = header.hex()
        connection.sendall(TLS)
        if header == TLS:
            with context.wrap_socket(connection, server_side=True) as secure:
                said |= {"version": secure.version(), "cipher": secure.cipher()[0]}
                said["inside"] = secure.recv(8).hex()
                secure.sendall(SASL)
                secure.recv(8)
    except OSError as error:
        said["error"] = f"{type(error).__name__}: {error}".partition(" (_ssl")[0]
    print(json.dumps(said), flush=True)


def main(address, port, cert, key, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion[version], ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(cert, key)
    with socket.create_server((address, int(port))) as listener:
        print("listening", flush=True)
        while True:
            connection, _ = listener.accept()
            with connection:
                serve(connection, context)


if __name__ == "__main__":
    main(*sys.argv[1:])
