"""A client and a server on the newest OpenSSL, as PyPI's pyOpenSSL brings it: what Debian's is not yet.

client ADDRESS PORT NAME OPTIONS; server PORT OPTIONS CERTIFICATE KEY...; OPTIONS a JSON object. The client prints the page if it came through, the server
a line for each connection: address, then "completed" or the error.
"""

import json
import socket
import sys
import threading

from OpenSSL import SSL

PAGE = b"the cut-over page\n"
VERSIONS = {"1.0": SSL.TLS1_VERSION, "1.1": SSL.TLS1_1_VERSION, "1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}


def context(options):
    chosen = SSL.Context(SSL.TLS_METHOD)
    raw = chosen._context
    if "min" in options:
        chosen.set_min_proto_version(VERSIONS[options["min"]])
    if "max" in options:
        chosen.set_max_proto_version(VERSIONS[options["max"]])
    if "ciphers" in options:
        chosen.set_cipher_list(options["ciphers"].encode())
    if "suites_13" in options:
        chosen.set_tls13_ciphersuites(options["suites_13"].encode())
    if "groups" in options:
        assert SSL._lib.SSL_CTX_set1_curves_list(raw, options["groups"].encode())
    if "signatures" in options:
        assert SSL._lib.SSL_CTX_set1_sigalgs_list(raw, options["signatures"].encode())
    if options.get("order") == "server":
        chosen.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    return chosen


def patient(plain):
    """Blocking, but for eight seconds: pyOpenSSL knows no time-outs of sockets that Python made."""
    plain.settimeout(None)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, (8).to_bytes(8, "little") + bytes(8))


def client(address, port, name, options):
    plain = socket.create_connection((address, int(port)), timeout=8)
    patient(plain)
    secure = SSL.Connection(context(options), plain)
    if name:
        secure.set_tlsext_host_name(name.encode())
    secure.set_connect_state()
    try:
        secure.do_handshake()
        print("said:", secure.get_protocol_version_name(), secure.get_cipher_name())
        secure.sendall(b"GET /page.html HTTP/1.0\r\nHost: www.cutover.example\r\n\r\n")
        while True:
            print(secure.recv(4096).decode())
    except SSL.ZeroReturnError:
        pass
    except SSL.Error as error:
        print("said:", type(error).__name__, error)


def server(port, options, *files):
    chosen = context(options)
    for certificate, key in zip(files[::2], files[1::2]):
        chosen.use_certificate_file(certificate)
        chosen.use_privatekey_file(key)
    listener = socket.create_server(("0.0.0.0", int(port)), backlog=64)
    print("listening", flush=True)
    while True:
        plain, (address, _) = listener.accept()
        threading.Thread(target=answer, args=(chosen, plain, address), daemon=True).start()


def answer(chosen, plain, address):
    patient(plain)
    secure = SSL.Connection(chosen, plain)
    secure.set_accept_state()
    try:
        secure.do_handshake()
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += secure.recv(4096)
        secure.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(PAGE), PAGE))
        print(f"{address} completed {secure.get_protocol_version_name()} {secure.get_cipher_name()}", flush=True)
        secure.shutdown()
    except SSL.Error as error:
        print(f"{address} {type(error).__name__} {error}", flush=True)
    plain.close()


if sys.argv[1] == "client":
    client(*sys.argv[2:5], json.loads(sys.argv[5]))
else:
    server(sys.argv[2], json.loads(sys.argv[3]), *sys.argv[4:])
