"""Requests for TLS that came to nothing, at servers that other captures show in better health."""

import time

from ..ends import dovecot, inn, inspircd, ldap, line_client, mariadb, openssl, postfix, postgres, prosody, vsftpd
from ..lab import scenario
from .mail import BANNER, HOST, failed, hand_over, in_clear, left
from .upgrades import IDLE, NONE, SECRET, WORK


@scenario("certificate-refused.pcap", "A client that refuses the certificate after the upgrade, TLS 1.2: XMPP, NNTP, IRC, ManageSieve, LMTP, FTP, LDAP, PostgreSQL, MariaDB, IMAP, POP3")
def certificate_refused(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), prosody.name(), inn.name(), inspircd.name(), dovecot.name(), vsftpd.name(), ldap.name(), postgres.name(), mariadb.name())
    cert, folder = lab.ca.issue("chat.example"), lab.folder
    more = dovecot.LMTP.format(ssl="yes", sieve=4190, lmtp=24)
    lab.start(prosody.server(server, folder / "xmpp", *cert))
    lab.start(inn.server(server, folder / "nntp", *cert))
    lab.start(inspircd.server(server, folder / "irc", *cert))
    lab.start(dovecot.Dovecot(server, folder / "dovecot", *cert, protocols="imap pop3 sieve lmtp", greeting=f"{HOST} ready", more=more))
    lab.start(vsftpd.Vsftpd(server, folder / "ftp", *cert))
    lab.start(ldap.server(server, folder / "ldap", *cert))
    lab.start(postgres.server(server, folder / "postgres", *cert))
    lab.start(mariadb.server(server, folder / "mysql", *cert, lab.ca.pem))
    time.sleep(1)

    def refuse(kind, port, service, *options):
        said = openssl.connect(client, f"{server.ip}:{port}", "-starttls", kind, *options, "-state", "-verify_return_error", "-verify", "3", only="TLS 1.2")
        expect = {**failed(service), "negotiated_version": "TLS 1.2", "outcome": "refused-by-client", "cause": "alert unknown_ca"}
        lab.truth.add(client, server, port, expect, said.line, client_port=said.port)

    with lab.record(filter="tcp portrange 1-6700"):
        refuse("xmpp", 5222, "xmpp-client", "-name", "chat.example")
        refuse("xmpp-server", 5269, "xmpp-server", "-name", "chat.example")
        for kind, port in (("nntp", 119), ("irc", 6667), ("sieve", 4190), ("lmtp", 24), ("ftp", 21), ("ldap", 389), ("postgres", 5432), ("mysql", 3306), ("imap", 143), ("pop3", 110)):
            refuse(kind, port, {"postgres": "postgresql"}.get(kind, kind))


@scenario("imap-pop3-refused.pcap", "IMAP and POP3 at Dovecot without TLS: not offered, refused, with and without going on; with TLS: the login at once, and nothing after the yes")
def imap_pop3_refused(lab):
    client, server = lab.pair()
    lab.truth.uses(line_client.name(lab.tools), dovecot.name())
    cert = lab.ca.issue(HOST)
    plain = lab.start(dovecot.Dovecot(server, lab.folder / "plain", *cert, greeting=f"{HOST} ready", more="ssl = no\nservice imap-login {\n inet_listener imap {\n  port = 1143\n }\n inet_listener imaps {\n  port = 0\n }\n}\n"
                                      "service pop3-login {\n inet_listener pop3 {\n  port = 1110\n }\n inet_listener pop3s {\n  port = 0\n }\n}\n"))
    secure = lab.start(dovecot.Dovecot(server, lab.folder / "secure", *cert, greeting=f"{HOST} ready"))

    def talk(port, log_of, service, what, expect, *steps):
        said = line_client.session(lab.tools, client, server.ip, port, *steps)
        log = log_of.next_said(what=what)
        lab.truth.add(client, server, port, expect, " | ".join(said.text.strip().splitlines()[-8:]), log.line, said.port)

    # IMAP: the greeting lists what there is, and a client may ask again.
    hello, ask, login, bye = "<^\\* OK ", (">a1 CAPABILITY", "<^a1 OK"), (">a2 LOGIN desk secret-of-the-test", "<^a2 OK"), (">a9 LOGOUT", "<^a9 OK")
    name, start = (">a0 ID (\"name\" \"scan-to-mail\" \"version\" \"2\")", "<^a0 OK"), ">a3 STARTTLS"
    over, gone = "Login: ", "Aborted login"
    names = {"client_name": "scan-to-mail 2"}
    with lab.record():
        talk(1143, plain, "imap", over, in_clear("imap", "not-offered", **WORK, **SECRET), hello, *ask, *login, *bye)
        talk(1143, plain, "imap", gone, in_clear("imap", "not-offered", **IDLE, **NONE, **names), hello, *name, *ask, *bye)
        talk(1143, plain, "imap", over, in_clear("imap", "refused", **WORK, **SECRET), hello, start, "<^a3 (NO|BAD)", *login, *bye)
        talk(1143, plain, "imap", gone, in_clear("imap", "refused", **IDLE, **NONE), hello, start, "<^a3 (NO|BAD)", *bye)
        talk(143, secure, "imap", over, in_clear("imap", "offered-unused", **WORK, **SECRET), hello, *login, *bye)
        talk(143, secure, "imap", "Disconnected", {"service": "imap", "upgrade": "accepted-no-hello", "carrier": None, **IDLE, **NONE}, hello, start, "<^a3 OK")
        # POP3.
        hello, ask, login, bye, start = "<^\\+OK ", (">CAPA", "<^\\.\\r"), (">USER desk", "<^\\+OK", ">PASS secret-of-the-test", "<^\\+OK"), (">QUIT", "<^\\+OK"), ">STLS"
        talk(1110, plain, "pop3", over, in_clear("pop3", "not-offered", **WORK, **SECRET), hello, *ask, *login, *bye)
        talk(1110, plain, "pop3", "Disconnected", in_clear("pop3", "not-offered", **IDLE, **NONE), hello, *ask, *bye)
        talk(1110, plain, "pop3", over, in_clear("pop3", "refused", **WORK, **SECRET), hello, start, "<^-ERR", *login, *bye)
        talk(1110, plain, "pop3", "Disconnected", in_clear("pop3", "refused", **IDLE, **NONE), hello, start, "<^-ERR", *bye)
        talk(110, secure, "pop3", over, in_clear("pop3", "not-requested", **WORK, **SECRET), hello, *login, *bye)
        talk(110, secure, "pop3", "Disconnected", {"service": "pop3", "upgrade": "accepted-no-hello", "carrier": None, **IDLE, **NONE}, hello, start, "<^\\+OK")


@scenario("smtp-opportunist.pcap", "Postfix as a sender that may use TLS and does not get it: refused with 454, not offered; and psql that prefers TLS, fails with it and goes on without")
def smtp_opportunist(lab):
    network = lab.network()
    old, server = network.host("old", "10.20.0.10/24"), network.host("server", "10.20.0.1/24")
    lab.truth.uses(postfix.name(), postgres.name())
    cert = lab.ca.issue(HOST)
    more = ("10025 inet n - n - - smtpd -o syslog_name=postfix/no-tls -o smtpd_tls_security_level=none\n"
            "10026 inet n - n - - smtpd -o syslog_name=postfix/broken "
            f"-o smtpd_tls_cert_file={cert[0]} -o smtpd_tls_key_file={lab.ca.issue('other.example')[1]}\n")
    mta = lab.start(postfix.Postfix(server, lab.folder / "postfix", HOST, *cert, more=more))
    routes = ", ".join(f"{{port-{port}.example = smtp:[{server.ip}]:{port}}}" for port in (10025, 10026))
    sender = lab.start(postfix.Postfix(old, lab.folder / "old", "mail.office.example", transport_maps=f"inline:{{ {routes} }}", smtp_tls_security_level="may"))
    names = {"client_name": "mail.office.example", "server_name_banner": BANNER}
    db = lab.start(postgres.server(server, lab.folder / "db", *cert, more="ssl_min_protocol_version = 'TLSv1.2'\n"))

    def deliver(port, expect):
        hand_over(old, f"desk@port-{port}.example")
        said = sender.next_line("relay=", 20)
        lab.truth.add(old, server, port, expect, said, mta.next_line("disconnect from"))

    with lab.record():
        deliver(10025, in_clear("smtp", "not-offered", **WORK, **NONE, **names))
        deliver(10026, in_clear("smtp", "refused", **WORK, **NONE, **names))
        said = postgres.psql(old, lab.folder, server.ip, 5432, sslmode="prefer", ssl_min_protocol_version="TLSv1", ssl_max_protocol_version="TLSv1")
        log = db.wait_for("connection authorized")
        too_old = {"negotiated_version": None, "outcome": "refused-by-server", "cause": "alert protocol_version", "client_max_version": "TLS 1.0"}
        lab.truth.add(old, server, 5432, {**failed("postgresql"), **too_old}, said.line, db.wait_for("could not accept SSL connection"), said.port)
        lab.truth.add(old, server, 5432, in_clear("postgresql", "not-requested", **WORK, **SECRET), said.line, log, said.port)


START_TLS = "1.3.6.1.4.1.1466.20037"


@scenario("ldap-refused.pcap", "LDAP without success: StartTLS in the root DSE and not asked for, with and without a password in the clear; no version in common; nothing after the yes")
def ldap_refused(lab):
    client, server = lab.pair()
    lab.truth.uses(ldap.name(), line_client.name(lab.tools))
    cert = lab.ca.issue("ldap.example")
    modern = lab.start(ldap.server(server, lab.folder / "modern", *cert, priority="NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"))
    url = f"ldap://{server.ip}"

    def ask(expect, *options, **more):
        said = ldap.search(client, url, *options, **more)
        said.line = said.line + (" | supportedExtension: " + START_TLS if f"supportedExtension: {START_TLS}" in said.text else "")
        lab.truth.add(client, server, 389, expect, said.line, ldap.read(modern, said.port).line, said.port)

    with lab.record():
        for bind, secret in ((False, NONE), (True, SECRET)):
            ask(in_clear("ldap", "offered-unused", **WORK, **secret), "supportedExtension", bind=bind, base="")
        ask({**failed("ldap"), "negotiated_version": None, "client_max_version": "TLS 1.0"}, "-ZZ", versions="NORMAL:-VERS-ALL:+VERS-TLS1.0")
        said = line_client.session(lab.tools, client, server.ip, 389, r">>\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + START_TLS, r"<\x78.\x0a\x01\x00")
        said.line = said.line.split(" | ")[-1]
        lab.truth.add(client, server, 389, left("ldap", upgrade="accepted-no-hello"), said.line, ldap.read(modern, said.port).line, said.port)


@scenario("smtp-turned-away.pcap", "Postfix hands mail to Postfix that turns it away by its first line: 450, 554; the sender says QUIT and no more")
def smtp_turned_away(lab):
    network = lab.network()
    old, server = network.host("old", "10.20.0.10/24"), network.host("server", "10.20.0.1/24")
    lab.truth.uses(postfix.name())
    more = "10025 inet n - n - - smtpd -o syslog_name=postfix/closed -o smtpd_client_restrictions=reject"
    mta = lab.start(postfix.Postfix(server, lab.folder / "postfix", HOST, *lab.ca.issue(HOST), more=more, smtpd_client_restrictions="defer", smtpd_delay_reject="no"))
    routes = ", ".join(f"{{port-{port}.example = smtp:[{server.ip}]:{port}}}" for port in (25, 10025))
    sender = lab.start(postfix.Postfix(old, lab.folder / "old", "mail.office.example", transport_maps=f"inline:{{ {routes} }}", smtp_tls_security_level="may"))
    with lab.record():
        for port in (25, 10025):
            hand_over(old, f"desk@port-{port}.example")
            said = sender.next_line("relay=", 20)
            lab.truth.add(old, server, port, in_clear("smtp", "not-requested", **IDLE, **NONE), said, mta.next_line("disconnect from"))
