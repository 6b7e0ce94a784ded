"""More protocols that are upgraded to TLS on their way: FTP's two commands, XMPP, IRC, MySQL."""

import time

from ..ends import cups, inspircd, line_client, mariadb, nginx, openssl, prosody, vsftpd
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


@scenario("mysql.pcap", "MariaDB: TLS 1.0 to 1.3, offered and unused, not offered by a server without TLS, to a client that wants it too; no version in common")
def mysql(lab):
    client, server = lab.pair()
    lab.truth.uses(mariadb.name())
    cert = lab.ca.issue("db.example")
    secure = lab.start(mariadb.server(server, lab.folder / "secure", *cert, lab.ca.pem))
    plain = lab.start(mariadb.server(server, lab.folder / "plain", port=3307))
    modern = lab.start(mariadb.server(server, lab.folder / "modern", *cert, lab.ca.pem, port=3308, versions="TLSv1.3"))

    def ask(port, expect, *options):
        said = mariadb.query(client, server.ip, port, *options)
        lab.truth.add(client, server, port, said.expect(**expect), said.line, client_port=said.port)

    with lab.record():
        for option, version in (("TLSv1.0", "TLS 1.0"), ("TLSv1.1", "TLS 1.1"), ("TLSv1.2", "TLS 1.2"), ("TLSv1.3", "TLS 1.3")):
            ask(3306, {**upgraded("mysql"), "client_max_version": version}, "--ssl", f"--tls-version={option}", "--ssl-cipher=DEFAULT:@SECLEVEL=0")
        ask(3306, in_clear("mysql", "offered-unused", **WORK, **NONE), "--skip-ssl")
        ask(3307, in_clear("mysql", "not-offered", **WORK, **NONE), "--skip-ssl")
        ask(3307, in_clear("mysql", "not-offered", **IDLE, **NONE), "--ssl", f"--ssl-ca={lab.ca.pem}", "--ssl-verify-server-cert")
        ask(3308, {**failed("mysql"), "client_max_version": "TLS 1.2", "alerts": ["server fatal protocol_version"]}, "--ssl", "--tls-version=TLSv1.2")


OPEN = ("<?xml version='1.0'?><stream:stream to='chat.example' version='1.0' xmlns='{}' xmlns:stream='http://etherx.jabber.org/streams'>")
CLIENT = (">>" + OPEN.format("jabber:client"), "<</stream:features>")
STARTTLS = ">><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
PLAIN = ">><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGRlc2sAc2VjcmV0LW9mLXRoZS10ZXN0</auth>"
SCRAM = ">><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>biwsbj1kZXNrLHI9ZnlrbytkMmxiYkZnT05Sdjlxa3hkYXdM</auth>"
BYE = (">></stream:stream>", ".")


@scenario("xmpp.pcap", "XMPP at Prosody: STARTTLS by clients at TLS 1.0 to 1.3 and by a server, offered and unused, required and unused, not offered, refused; with and without a password in the clear")
def xmpp(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), line_client.name(lab.tools), prosody.name())
    cert = lab.ca.issue("chat.example")
    may = lab.start(prosody.server(server, lab.folder / "may", *cert))
    must = lab.start(prosody.server(server, lab.folder / "must", *cert, port=5322, s2s_port=5369, required=True))
    never = lab.start(prosody.server(server, lab.folder / "never", *cert, port=5422, s2s_port=5469, tls=False))

    def talk(port, log_of, what, expect, *steps):
        seen = len(log_of.lines)
        said = line_client.session(lab.tools, client, server.ip, port, *CLIENT, *steps)
        log = prosody.plain(log_of.wait_for(what, after=seen))
        lab.truth.add(client, server, port, expect, said.line, log, said.port)

    with lab.record():
        for kind, port, service, version in (*(("xmpp", 5222, "xmpp-client", f"TLS 1.{n}") for n in range(4)), ("xmpp-server", 5269, "xmpp-server", "TLS 1.2")):
            seen = len(may.lines)
            said = openssl.connect(client, f"{server.ip}:{port}", "-starttls", kind, "-name", "chat.example", only=version, seconds=6,
                                   stdin=((0.8, OPEN.format(f"jabber:{kind[5:] or 'client'}") + "</stream:stream>"), (0.5, "")))
            log = prosody.plain(may.wait_for("TLS handshake complete", after=seen))
            lab.truth.add(client, server, port, said.expect(**upgraded(service), client_max_version=version), said.line, log, said.port)
        unused, closed = "offered-unused", "Client disconnected"
        talk(5222, may, "<auth", in_clear("xmpp-client", unused, **WORK, **SECRET), PLAIN, "<<(success|failure)", *BYE)
        talk(5222, may, "<auth", in_clear("xmpp-client", unused, **WORK, **NONE), SCRAM, "<<challenge", *BYE)
        talk(5222, may, closed, in_clear("xmpp-client", unused, **IDLE, **NONE), *BYE)
        talk(5322, must, closed, in_clear("xmpp-client", unused, **IDLE, **NONE), *BYE)
        talk(5322, must, closed, in_clear("xmpp-client", unused, **WORK, **SECRET), PLAIN, "<<failure", *BYE)
        talk(5422, never, "<auth", in_clear("xmpp-client", "not-offered", **WORK, **SECRET), PLAIN, "<<(success|failure)", *BYE)
        talk(5422, never, closed, in_clear("xmpp-client", "refused", **IDLE, **NONE), STARTTLS, ".")
        talk(5222, may, "<starttls", left("xmpp-client"), STARTTLS, "<<proceed")


@scenario("irc.pcap", "IRC at InspIRCd: STARTTLS at TLS 1.0 to 1.3, offered and unused, not offered, refused, not asked for; with and without a password in the clear")
def irc(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), line_client.name(lab.tools), inspircd.name())
    lab.start(inspircd.server(server, lab.folder / "secure", *lab.ca.issue("irc.example")))
    lab.start(inspircd.server(server, lab.folder / "plain", port=6668))
    register = (">NICK printer", ">USER printer 0 * :printer", "< 001 ", ">QUIT", ".")

    def talk(port, expect, *steps):
        said = line_client.session(lab.tools, client, server.ip, port, *steps)
        lab.truth.add(client, server, port, expect, said.text.strip().replace("\n", " | ")[:400], client_port=said.port)

    with lab.record():
        for version in ("TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"):
            said = openssl.connect(client, f"{server.ip}:6667", "-starttls", "irc", only=version, stdin=((0.6, "QUIT\r\n"), (0.4, "")))
            lab.truth.add(client, server, 6667, said.expect(**upgraded("irc"), client_max_version=version), said.line, client_port=said.port)
        ask, end = (">CAP LS 302", "< LS [^\\n]*\\n"), ">CAP END"
        talk(6667, in_clear("irc", "offered-unused", **WORK, **NONE), *ask, end, *register)
        talk(6667, in_clear("irc", "offered-unused", **WORK, **SECRET), *ask, ">PASS secret-of-the-test", end, *register)
        talk(6667, in_clear("irc", "not-requested", **WORK, **NONE), *register)
        talk(6668, in_clear("irc", "not-offered", **WORK, **NONE), *ask, end, *register)
        talk(6668, in_clear("irc", "refused", **WORK, **NONE), ">STARTTLS", *register)  # It is not answered.
        talk(6667, left("irc"), ">STARTTLS", "< 670 ")


@scenario("ipp.pcap", "IPP at CUPS: HTTP upgraded to TLS 1.0 to 1.3 by ipptool; refused by a server without; no version in common")
def ipp(lab):
    client, server = lab.pair()
    lab.truth.uses(cups.name(), nginx.name())
    may = lab.start(cups.server(server, lab.folder / "may"))
    modern = lab.start(cups.server(server, lab.folder / "modern", port=6311, least="1.2"))
    web = {"listen": "6312", "location": 'return 200 "hello\\n";'}
    lab.start(nginx.Nginx(server, lab.folder / "plain", web, template=nginx.PLAIN))

    def ask(log_of, what, expect, port, *options, tls=None):
        seen = len(log_of.lines) if log_of else 0
        said = cups.ipptool(lab.tools, client, lab.folder, server.ip, port, *options, tls=tls)
        log = log_of.wait_for(what, after=seen).partition("] [")[2] if log_of else ""
        lab.truth.add(client, server, port, expect, said.line, log and "[" + log, said.port)

    names = {"client_name": "CUPS/2.4.2 (Linux 6.1.0; x86_64) IPP/2.0"}
    with lab.record():
        for number in range(4):
            version = {"carrier": "tls", "outcome": "negotiated", "client_max_version": f"TLS 1.{number}", "negotiated_version": f"TLS 1.{number}"}
            ask(may, "now encrypted", {**upgraded("http"), **names, **version}, 631, "-E", tls=f"1.{number}")
        too_old = {"client_max_version": "TLS 1.1", "negotiated_version": None}
        ask(modern, "nable to encrypt", {**failed("http"), **names, **too_old}, 6311, "-E", tls="1.1")
        ask(None, "", in_clear("http", "refused", **NONE, **names), 6312, "-E")
