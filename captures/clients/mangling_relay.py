"""A relay in front of a mail server that overwrites its offer of STARTTLS, as some firewalls do.

mangling_relay.py PORT SERVER SERVER_PORT REPLACEMENT       (a replacement as long as "STARTTLS")
"""

import socket
import sys
import threading

port, server, server_port, replacement = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4].encode()


def pump(source, target, change):
    while data := source.recv(65536):
        changed = data.replace(b"STARTTLS", replacement) if change else data
        if changed != data:
            print(f"overwrote STARTTLS by {replacement.decode()}", flush=True)
        target.sendall(changed)
    try:
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # It has gone already.


listener = socket.create_server(("0.0.0.0", port))
print("listening", flush=True)
while True:
    client, _ = listener.accept()
    upstream = socket.create_connection((server, server_port))
    threading.Thread(target=pump, args=(client, upstream, False), daemon=True).start()
    threading.Thread(target=pump, args=(upstream, client, True), daemon=True).start()
