"""Servers that do not answer a ClientHello with TLS: `reset`, `silent`, `close`. One line for each connection tells what it did."""

import socket
import struct
import sys
import threading
import time

manner, port = sys.argv[1], int(sys.argv[2])


def serve(connection, peer):
    hello = b""
    if manner != "silent":
        hello = connection.recv(4096)
    if manner == "reset":
        # No lingering: closing sends RST.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif manner == "silent":
        time.sleep(4)
        hello = connection.recv(4096)
    connection.close()
    print(f"{manner}: {len(hello)} bytes read from port {peer[1]}, none sent", flush=True)


listener = socket.create_server(("0.0.0.0", port))
print("listening", flush=True)
while True:
    threading.Thread(target=serve, args=listener.accept(), daemon=True).start()
