"""A mail client for SMTP, IMAP and POP3 in the clear, with STARTTLS, or with TLS from the first byte.

It prints the dialogue as far as it was in the clear, then one line of JSON with what its TLS library tells.
TLS is Python's ssl (OpenSSL), or tlslite-ng with --stack tlslite.
"""

import argparse
import base64
import json
import socket
import ssl
import sys

parser = argparse.ArgumentParser()
parser.add_argument("protocol", choices=["smtp", "imap", "pop3"])
parser.add_argument("address")
parser.add_argument("port", type=int)
parser.add_argument("--tls", choices=["starttls", "implicit", "none", "if-offered", "abandoned"], default="starttls")
parser.add_argument("--stack", choices=["ssl", "tlslite"], default="ssl")
parser.add_argument("--min", default="TLSv1")
parser.add_argument("--max", default="TLSv1_3")
parser.add_argument("--ciphers", default="DEFAULT:@SECLEVEL=0")
parser.add_argument("--sni")
parser.add_argument("--ca", help="check the server's certificate with this")
parser.add_argument("--cert")
parser.add_argument("--key")
parser.add_argument("--name", default="client", help="EHLO name")
parser.add_argument("--helo", action="store_true", help="say HELO, as clients do that know no extensions")
parser.add_argument("--login", help="user:password")
parser.add_argument("--sender", default="scanner@office.example")
parser.add_argument("--to", default="desk@office.example")
parser.add_argument("--size", type=int, default=400, help="bytes of the mail's body")
parser.add_argument("--only-greet", action="store_true", help="ask what the server can, and leave")
options = parser.parse_args()


class Session:
    """A connection that speaks lines, first in the clear and then perhaps in TLS."""

    def __init__(self):
        self.plain = socket.create_connection((options.address, options.port), timeout=15)
        self.port = self.plain.getsockname()[1]
        self.stream, self.tls = self.plain, None

    def start_tls(self):
        if options.stack == "tlslite":
            self._start_tlslite()
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED if options.ca else ssl.CERT_NONE
        if options.ca:
            context.load_verify_locations(options.ca)
        if options.cert:
            context.load_cert_chain(options.cert, options.key)
        context.set_ciphers(options.ciphers)
        context.minimum_version = ssl.TLSVersion[options.min]
        context.maximum_version = ssl.TLSVersion[options.max]
        self.stream = context.wrap_socket(self.plain, server_hostname=options.sni)
        self.tls = {"version": self.stream.version(), "cipher": self.stream.cipher()[0], "resumed": self.stream.session_reused}

    def _start_tlslite(self):
        from tlslite.api import TLSConnection
        from tlslite_ends import settings

        number = {"SSLv3": "3.0", "TLSv1": "3.1", "TLSv1_1": "3.2", "TLSv1_2": "3.3", "TLSv1_3": "3.4"}
        self.stream = TLSConnection(self.plain)
        self.stream.handshakeClientCert(settings=settings(number[options.min], number[options.max]), serverName=options.sni)
        self.tls = {"version": self.stream.getVersionName(), "suite": self.stream.session.cipherSuite, "resumed": self.stream.resumed}

    def say(self, line, shown=None):
        if not self.tls:
            print("C: " + (shown or line))
        self.stream.sendall((line + "\r\n").encode())

    def line(self):
        text = b""
        while not text.endswith(b"\n"):
            byte = self.stream.recv(1)
            if not byte:
                raise ConnectionError("the server closed the connection")
            text += bytes(byte)
        line = text.decode("latin-1").rstrip("\r\n")
        if not self.tls:
            print("S: " + line)
        return line

    def close(self):
        try:
            if isinstance(self.stream, ssl.SSLSocket):
                self.plain = self.stream.unwrap()
            else:
                self.stream.close()
        finally:
            self.plain.close()


def smtp(session):
    def reply():
        lines = [session.line()]
        while lines[-1][3:4] == "-":
            lines.append(session.line())
        return lines

    reply()
    session.say(("HELO " if options.helo else "EHLO ") + options.name)
    offer = reply()
    if options.tls in ("starttls", "abandoned") or options.tls == "if-offered" and any(line[4:] == "STARTTLS" for line in offer):
        session.say("STARTTLS")
        answer = reply()[-1]
        if options.tls == "abandoned":
            return
        if answer.startswith("220"):
            session.start_tls()
            session.say("EHLO " + options.name)
            reply()
        elif options.tls == "starttls":
            session.say("QUIT")
            reply()
            return
    if not options.only_greet:
        if options.login:
            user, password = options.login.split(":")
            session.say("AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode(), "AUTH PLAIN ***")
            reply()
        for line in (f"MAIL FROM:<{options.sender}>", f"RCPT TO:<{options.to}>", "DATA"):
            session.say(line)
            reply()
        body = "".join(f"line {n} of the scan\r\n" for n in range(options.size // 20))
        session.say(f"From: <{options.sender}>\r\nTo: <{options.to}>\r\nSubject: from {options.name}\r\n\r\n{body}.", "(mail)")
        reply()
    session.say("QUIT")
    reply()


def imap(session):
    count = 0

    def command(text, shown=None):
        nonlocal count
        count += 1
        session.say(f"a{count} {text}", shown and f"a{count} {shown}")
        lines = [session.line()]
        while not lines[-1].startswith(f"a{count} "):
            lines.append(session.line())
        return lines

    session.line()
    if options.tls in ("starttls", "if-offered", "none"):
        offer = " ".join(command("CAPABILITY"))
        if options.tls == "starttls" or options.tls == "if-offered" and "STARTTLS" in offer:
            if " OK" in command("STARTTLS")[-1]:
                session.start_tls()
            elif options.tls == "starttls":
                command("LOGOUT")
                return
    if not options.only_greet:
        user, password = options.login.split(":")
        command(f"LOGIN {user} {password}", "LOGIN ***")
        command("SELECT INBOX")
    command("LOGOUT")


def pop3(session):
    def command(text, many=False, shown=None):
        session.say(text, shown)
        lines = [session.line()]
        while many and lines[0].startswith("+OK") and lines[-1] != ".":
            lines.append(session.line())
        return lines

    session.line()
    if options.tls in ("starttls", "if-offered", "none"):
        offer = command("CAPA", many=True)
        if options.tls == "starttls" or options.tls == "if-offered" and "STLS" in offer:
            if command("STLS")[0].startswith("+OK"):
                session.start_tls()
            elif options.tls == "starttls":
                command("QUIT")
                return
    if not options.only_greet:
        user, password = options.login.split(":")
        command(f"USER {user}")
        command(f"PASS {password}", shown="PASS ***")
        command("STAT")
    command("QUIT")


session = Session()
outcome = {"client_port": session.port}
try:
    if options.tls == "implicit":
        session.start_tls()
    {"smtp": smtp, "imap": imap, "pop3": pop3}[options.protocol](session)
except Exception as error:  # Whatever ends the session is what the client has to say of it.
    outcome["error"] = f"{type(error).__name__}: {error}"
outcome |= session.tls or {}
try:
    session.close()
except OSError:
    pass
print(json.dumps(outcome))
sys.exit(0)
