"""A client for protocols of lines: it says what it is told to say, waits for what it is told to wait for, and prints the dialogue.

line_client.py ADDRESS PORT STEP...     A step is
  >TEXT     say TEXT and the end of a line        >>TEXT    say TEXT alone (\\r, \\n, \\x00 are understood)
  <REGEX    wait until the server has said it     !VERSION  go over to TLS ("TLSv1", "TLSv1_2", …), offering no other version
  .         wait until the server closes
At the end it prints one line of JSON with its port and what its TLS library (Python's ssl) tells.
"""

import json
import re
import socket
import ssl
import sys
import time

SECRETS = re.compile(r"\S*(secret-of-the-test|c2VjcmV0LW9mLXRoZS10ZXN0|AGRlc2sAc2VjcmV0LW9mLXRoZS10ZXN0)\S*")


def main(address, port, *steps):
    stream = socket.create_connection((address, int(port)), timeout=15)
    outcome, heard, shown = {"client_port": stream.getsockname()[1]}, b"", True

    def tell(who, data):
        text = data.decode("utf-8", "backslashreplace")
        if shown and text.strip():
            print("\n".join(f"{who}: {line}" for line in SECRETS.sub("***", text).splitlines() if line.strip()))

    try:
        for step in steps:
            kind, text = step[0], step[1:]
            if kind == ">":
                raw = text[1:] if text.startswith(">") else text + "\\r\\n"
                data = raw.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")
                tell("C", data)
                stream.sendall(data)
            elif kind == "<":
                wanted, end = re.compile(text.encode("latin-1"), re.S | re.M), time.monotonic() + 10
                while not (found := wanted.search(heard)):
                    stream.settimeout(max(0.1, end - time.monotonic()))
                    more = stream.recv(65536)
                    if not more:
                        raise ConnectionError("the server closed the connection")
                    tell("S", more)
                    heard += more
                heard = heard[found.end():]
            elif kind == "!":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                context.set_ciphers("DEFAULT:@SECLEVEL=0")
                context.minimum_version = context.maximum_version = ssl.TLSVersion[text]
                stream = context.wrap_socket(stream)
                outcome |= {"version": stream.version(), "cipher": stream.cipher()[0]}
                shown, heard = False, b""
            elif kind == ".":
                stream.settimeout(5)
                while more := stream.recv(65536):
                    tell("S", more)
    except Exception as error:  # Whatever ends the session is what the client has to say of it.
        outcome["error"] = f"{type(error).__name__}: {error}"
    stream.close()
    print(json.dumps(outcome))


if __name__ == "__main__":
    main(*sys.argv[1:])
