"""More protocols that are upgraded to TLS on their way: FTP's two commands, XMPP, IRC, MySQL."""

import time

from ..ends import line_client, openssl, vsftpd
from ..lab import scenario
from ..said import Said, pick
from .mail import failed, in_clear, left, upgraded
from .upgrades import IDLE, NONE, SECRET, WORK
from .versions import both


@scenario("ftp-auth.pcap", "FTP at vsftpd: AUTH TLS at TLS 1.0 to 1.3, AUTH SSL, a user named before the upgrade; FEAT with and without TLS in it, both refused, no hello after the yes, no common suite")
def ftp_auth(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), line_client.name(lab.tools), vsftpd.name())
    cert = lab.ca.issue("ftp.example")
    secure = lab.start(vsftpd.Vsftpd(server, lab.folder / "secure", *cert))
    plain = lab.start(vsftpd.Vsftpd(server, lab.folder / "plain", *cert, port=2121, ssl="NO"))
    choosy = lab.start(vsftpd.Vsftpd(server, lab.folder / "choosy", *cert, port=2122, ciphers="ECDHE-RSA-AES256-GCM-SHA384"))
    time.sleep(1)
    banner = {"server_name_banner": vsftpd.BANNER}
    login = (">USER ftp", "<^331 ", ">PASS secret-of-the-test", "<^230 ", ">PWD", "<^257 ")

    def talk(port, log_of, what, expect, *steps):
        said = line_client.session(lab.tools, client, server.ip, port, "<^220 ", *steps)
        log = log_of.next_tls() if what is None else Said(line=log_of.last(what))
        expect = both(said, log).expect(**expect) if said.version else expect
        lab.truth.add(client, server, port, {**expect, **banner}, said.line, log.line, said.port)

    with lab.record(filter="tcp portrange 21-2122"):
        for version in ("TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"):
            said = openssl.connect(client, f"{server.ip}:21", "-starttls", "ftp", only=version, stdin=((0.8, "QUIT\r\n"), (0.5, "")))
            log = secure.next_tls()
            lab.truth.add(client, server, 21, both(said, log).expect(**upgraded("ftp"), **banner, client_max_version=version), said.line, log.line, said.port)
        talk(21, secure, None, upgraded("ftp"), ">AUTH SSL", "<^234 ", "!TLSv1_2", ">QUIT", "<^221 ")
        talk(21, secure, None, {**upgraded("ftp"), **WORK}, ">USER ftp", "<^331 ", ">AUTH TLS", "<^234 ", "!TLSv1_2", *login, ">QUIT", "<^221 ")
        talk(21, secure, '"PWD"', in_clear("ftp", "offered-unused", **WORK, **SECRET), ">FEAT", "<^211 ", *login, ">QUIT", "<^221 ")
        talk(21, secure, '"QUIT"', in_clear("ftp", "offered-unused", **IDLE, **NONE), ">FEAT", "<^211 ", ">QUIT", "<^221 ")
        talk(2121, plain, '"PWD"', in_clear("ftp", "not-offered", **WORK, **SECRET), ">FEAT", "<^211 ", *login, ">QUIT", "<^221 ")
        talk(2121, plain, '"PWD"', in_clear("ftp", "refused", **WORK, **SECRET), ">AUTH TLS", "<^530 ", ">AUTH SSL", "<^530 ", *login, ">QUIT", "<^221 ")
        talk(21, secure, '"AUTH TLS"', left("ftp"), ">AUTH TLS", "<^234 ")
        said = openssl.connect(client, f"{server.ip}:2122", "-starttls", "ftp", only="TLS 1.0")
        lab.truth.add(client, server, 2122, {**failed("ftp"), **banner, "alerts": ["server fatal handshake_failure"], "client_max_version": "TLS 1.0"},
                      said.line, choosy.last("234"), said.port)
