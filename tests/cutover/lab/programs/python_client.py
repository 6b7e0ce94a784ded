"""A client on Python's ssl: SERVICE ADDRESS PORT NAME OPTIONS, the options a JSON object. Prints the page if it came through."""

import imaplib
import json
import smtplib
import socket
import ssl
import sys

PAGE = "the cut-over page"


def context(options):
    chosen = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    chosen.check_hostname, chosen.verify_mode = False, ssl.CERT_NONE
    if "ciphers" in options:
        chosen.set_ciphers(options["ciphers"])
    if "minimum" in options:
        chosen.minimum_version = ssl.TLSVersion[options["minimum"]]
    if "maximum" in options:
        chosen.maximum_version = ssl.TLSVersion[options["maximum"]]
    if "curve" in options:
        chosen.set_ecdh_curve(options["curve"])
    return chosen


def https(address, port, name, chosen):
    with socket.create_connection((address, port), timeout=8) as plain, chosen.wrap_socket(plain, server_hostname=name) as secure:
        print("said:", secure.version(), secure.cipher()[0])
        secure.sendall(b"GET /page.html HTTP/1.0\r\nHost: www.cutover.example\r\n\r\n")
        text = b""
        while PAGE.encode() not in text and (more := secure.recv(4096)):
            text += more
        print(text.decode())


def smtp(address, port, name, chosen):
    session = smtplib.SMTP(address, port, local_hostname="client.cutover.example", timeout=8)
    session._host = name or ""  # what starttls() sends as server_name
    session.starttls(context=chosen)
    print("said:", session.sock.version(), session.sock.cipher()[0])
    if session.noop()[0] == 250:
        print(PAGE)
    session.quit()


def imap(address, port, name, chosen):
    session = imaplib.IMAP4(address, port, timeout=8)
    session.host = name or ""
    session.starttls(chosen)
    print("said:", session.sock.version(), session.sock.cipher()[0])
    if session.noop()[0] == "OK":
        print(PAGE)
    session.logout()


def main(service, address, port, name, options):
    options = json.loads(options)
    try:
        {"https": https, "smtp": smtp, "imap": imap}[service](address, int(port), name if options.get("sni", True) else None, context(options))
    except (OSError, smtplib.SMTPException, imaplib.IMAP4.error) as error:
        print("said:", type(error).__name__, error)


main(*sys.argv[1:])
