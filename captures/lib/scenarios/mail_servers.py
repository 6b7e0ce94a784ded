"""More servers of mail and news: Exim, Dovecot's ManageSieve and LMTP, INN."""

import time

from ..ends import dovecot, exim, inn, line_client, mail_client, openssl, postfix
from ..lab import scenario
from .mail import BANNER, HOST, LOGIN, PYTHON_VERSION, VERSIONS, failed, hand_over, in_clear, left, upgraded
from .upgrades import IDLE, NONE, SECRET, WORK
from .versions import both


@scenario("exim.pcap", "Exim as a server: STARTTLS at TLS 1.0 to 1.3, refused by an access list, not offered, offered and unused; with and without a password in the clear")
def exim_server(lab):
    client, server = lab.pair()
    lab.truth.uses(mail_client.name(lab.tools), exim.name())
    mta = lab.start(exim.Exim(server, lab.folder / "exim", HOST, *lab.ca.issue(HOST), ports="25 : 587 : 10025 : 10026",
                              advertise="${if eq{$received_port}{10025}{}{*}}", starttls="${if eq{$received_port}{10026}{may_not}{take_all}}"))
    names = {"client_name": "printer-2fl", "server_name_banner": BANNER}

    def smtp(port, *options, what=" <= ", **more):
        said = mail_client.session(lab.tools, client, "smtp", server.ip, port, *options, name="printer-2fl", **more)
        return said, mta.next_line(what), {25: "smtp", 587: "submission"}.get(port, "smtp")

    def clear(port, state, *options, **more):
        facts = more.pop("facts")
        said, log, service = smtp(port, *options, **more)
        lab.truth.add(client, server, port, in_clear(service, state, **facts, **names), said.line, log, said.port)

    with lab.record():
        for port in (25, 587):
            for version in VERSIONS:
                said, log, service = smtp(port, max=PYTHON_VERSION[version], sni=HOST)
                lab.truth.add(client, server, port, both(said, exim.read(log)).expect(**upgraded(service), **names, sni=HOST, client_max_version=version),
                              said.line, log, said.port)
        clear(10025, "not-offered", tls="if-offered", facts={**WORK, **NONE})
        clear(10025, "not-offered", tls="if-offered", login=LOGIN, facts={**WORK, **SECRET})
        clear(10025, "refused", tls="starttls", what="SMTP connection", facts={**IDLE, **NONE})
        clear(25, "offered-unused", tls="none", facts={**WORK, **NONE})
        clear(587, "offered-unused", tls="none", login=LOGIN, facts={**WORK, **SECRET})
        clear(25, "offered-unused", "--only-greet", tls="none", what="no MAIL in", facts={**IDLE, **NONE})
        clear(25, "not-requested", "--helo", tls="none", facts={**WORK, **NONE})
        clear(10026, "refused", tls="starttls", what="rejected STARTTLS", facts={**IDLE, **NONE})
        clear(10026, "refused", tls="if-offered", what="rejected STARTTLS", facts={**WORK, **NONE})
        said, log, _ = smtp(25, tls="abandoned", what="no MAIL in")
        lab.truth.add(client, server, 25, left("smtp", **names), said.line, log, said.port)


@scenario("exim-sender.pcap", "Exim hands mail to Postfix: upgraded; too old for it, then at once in the clear; too old and TLS required, then given up; refused with 454, then in the clear and given up")
def exim_sender(lab):
    network = lab.network()
    old, server = network.host("old", "10.20.0.10/24"), network.host("server", "10.20.0.1/24")
    lab.truth.uses(exim.name(), postfix.name())
    cert = lab.ca.issue(HOST)
    more = (f"10026 inet n - n - - smtpd -o syslog_name=postfix/broken -o smtpd_tls_cert_file={cert[0]} "
            f"-o smtpd_tls_key_file={lab.ca.issue('other.example')[1]}")
    mta = lab.start(postfix.Postfix(server, lab.folder / "postfix", HOST, *cert, more=more, smtpd_tls_protocols=">=TLSv1.2"))
    names = {"client_name": "mail.office.example", "server_name_banner": BANNER}
    too_old = {"client_max_version": "TLS 1.0", "alerts": ["server fatal protocol_version"]}
    cases = (("may", {}), ("may-old", {"client_priority": "NORMAL:-VERS-ALL:+VERS-TLS1.0"}),
             ("must-old", {"client_priority": "NORMAL:-VERS-ALL:+VERS-TLS1.0", "require": "*"}),
             ("may-refused", {"relay_port": 10026}), ("must-refused", {"relay_port": 10026, "require": "*"}))
    senders = {name: lab.start(exim.Exim(old, lab.folder / name, "mail.office.example", relay=server.ip, ports=str(2500 + number), **more))
               for number, (name, more) in enumerate(cases)}

    def deliver(name):
        return " || ".join(line for line in senders[name].deliver("desk@partner.example") if not line.startswith(("<=", "Completed")))

    def add(expect, said, server_said, port=25):
        lab.truth.add(old, server, port, expect, said, server_said)

    with lab.record():
        said = deliver("may")
        add(exim.read(said).expect(**upgraded("smtp"), **names), said, mta.next_line("disconnect from"))
        said = deliver("may-old")
        add(failed("smtp", **too_old, **names), said, mta.next_line("SSL_accept error"))
        mta.next_line("disconnect from")
        add(in_clear("smtp", "offered-unused", **WORK, **NONE, **names), said, mta.next_line("disconnect from"))
        said = deliver("must-old")
        add(failed("smtp", **too_old, **names), said, mta.next_line("SSL_accept error"))
        said = deliver("may-refused")
        mta.next_line("disconnect from")
        add(in_clear("smtp", "refused", **WORK, **NONE, **names), said, mta.next_line("disconnect from"), 10026)
        said = deliver("must-refused")
        add(in_clear("smtp", "refused", **IDLE, **NONE, **names), said, mta.next_line("disconnect from"), 10026)


@scenario("sieve-lmtp.pcap", "ManageSieve and LMTP at Dovecot: STARTTLS at TLS 1.0 to 1.3, offered and unused, not offered, refused; with and without a password in the clear")
def sieve_lmtp(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), line_client.name(lab.tools), dovecot.name())
    cert = lab.ca.issue(HOST)

    def instance(name, ssl, sieve, lmtp):
        more = dovecot.LMTP.format(ssl=ssl, sieve=sieve, lmtp=lmtp)
        return lab.start(dovecot.Dovecot(server, lab.folder / name, *cert, protocols="sieve lmtp", greeting=f"{HOST} ready", more=more))

    secure, plain = instance("secure", "yes", 4190, 24), instance("plain", "no", 4191, 25)

    def talk(port, log_of, service, expect, *steps):
        said = line_client.session(lab.tools, client, server.ip, port, *steps)
        log = log_of.next_said(what="managesieve-login: " if service == "sieve" else "lmtp(")
        lab.truth.add(client, server, port, expect, " | ".join(said.text.strip().splitlines()[-7:]), log.line, said.port)

    login = '>AUTHENTICATE "PLAIN" "AGRlc2sAc2VjcmV0LW9mLXRoZS10ZXN0"'
    hello, bye, done = '<^OK "', (">LOGOUT", "<^OK "), '<^(OK|NO|BYE) '
    names = {"client_name": "printer-2fl"}
    mail = (">MAIL FROM:<scanner@office.example>", "<^250 ", ">RCPT TO:<desk@office.example>", "<^\\d\\d\\d ", ">QUIT", "<^221 ")
    lhlo = ("<^220 ", ">LHLO printer-2fl", "<^250 ")
    with lab.record():
        for port, kind, service in ((4190, "sieve", "sieve"), (24, "lmtp", "lmtp")):
            for version in VERSIONS:
                said = openssl.connect(client, f"{server.ip}:{port}", "-starttls", kind, *(("-name", "printer-2fl") if kind == "lmtp" else ()), only=version,
                                       stdin=((0.6, "LOGOUT\r\n" if kind == "sieve" else "QUIT\r\n"), (0.4, "")))
                log = secure.next_said(what="managesieve-login: " if kind == "sieve" else "lmtp(")
                lab.truth.add(client, server, port, said.expect(**upgraded(service), client_max_version=version, **(names if kind == "lmtp" else {})),
                              said.line, log.line, said.port)
        talk(4190, secure, "sieve", in_clear("sieve", "offered-unused", **WORK, **SECRET), hello, login, done, *bye)
        talk(4190, secure, "sieve", in_clear("sieve", "offered-unused", **IDLE, **NONE), hello, *bye)
        talk(4191, plain, "sieve", in_clear("sieve", "not-offered", **WORK, **SECRET), hello, login, done, *bye)
        talk(4191, plain, "sieve", in_clear("sieve", "refused", **WORK, **SECRET), hello, ">STARTTLS", "<^(NO|BYE) ", login, done, *bye)
        talk(4190, secure, "sieve", left("sieve", upgrade="accepted-no-hello"), hello, ">STARTTLS", "<^OK ")
        talk(24, secure, "lmtp", in_clear("lmtp", "offered-unused", **WORK, **NONE, **names), *lhlo, *mail)
        talk(25, plain, "lmtp", in_clear("lmtp", "not-offered", **WORK, **NONE, **names), *lhlo, *mail)
        talk(25, plain, "lmtp", in_clear("lmtp", "refused", **IDLE, **NONE, **names), *lhlo, ">STARTTLS", "<^5", ">QUIT", "<^221 ")


@scenario("nntp.pcap", "NNTP at INN: STARTTLS at TLS 1.0 to 1.3, offered and unused, refused (580), not asked for; with and without a password in the clear")
def nntp(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), line_client.name(lab.tools), inn.name())
    lab.start(inn.server(server, lab.folder / "secure", *lab.ca.issue("news.example")))
    lab.start(inn.server(server, lab.folder / "plain", port=1119))
    time.sleep(1)

    def talk(port, expect, *steps):
        said = line_client.session(lab.tools, client, server.ip, port, "<^20", *steps)
        lab.truth.add(client, server, port, expect, " | ".join(said.text.strip().splitlines()[-8:]), client_port=said.port)

    ask, bye = (">CAPABILITIES", "<^\\.\\r"), (">QUIT", "<^205 ")
    group, login = (">GROUP local.test", "<^\\d"), (">AUTHINFO USER desk", "<^381 ", ">AUTHINFO PASS secret-of-the-test", "<^\\d")
    with lab.record():
        for version in VERSIONS:
            said = openssl.connect(client, f"{server.ip}:119", "-starttls", "nntp", only=version, stdin=((0.6, "QUIT\r\n"), (0.4, "")))
            lab.truth.add(client, server, 119, said.expect(**upgraded("nntp"), client_max_version=version), said.line, client_port=said.port)
        talk(119, in_clear("nntp", "offered-unused", **WORK, **NONE), *ask, *group, *bye)
        talk(119, in_clear("nntp", "offered-unused", **WORK, **SECRET), *ask, *login, *bye)
        talk(119, in_clear("nntp", "offered-unused", **IDLE, **NONE), *ask, *bye)
        talk(119, in_clear("nntp", "not-requested", **WORK, **NONE), *group, *bye)
        talk(1119, in_clear("nntp", "refused", **WORK, **NONE), ">STARTTLS", "<^5", *group, *bye)
        talk(119, left("nntp"), ">STARTTLS", "<^382 ")


@scenario("smtp-required.pcap", "Postfix as a sender that must have TLS and keeps its mail without: too old for the server, not offered, refused with 454; and upgraded")
def smtp_required(lab):
    network = lab.network()
    old, server = network.host("old", "10.20.0.10/24"), network.host("server", "10.20.0.1/24")
    lab.truth.uses(postfix.name())
    cert = lab.ca.issue(HOST)
    more = ("10025 inet n - n - - smtpd -o syslog_name=postfix/no-tls -o smtpd_tls_security_level=none\n"
            f"10026 inet n - n - - smtpd -o syslog_name=postfix/broken -o smtpd_tls_cert_file={cert[0]} -o smtpd_tls_key_file={lab.ca.issue('other.example')[1]}\n"
            "10027 inet n - n - - smtpd -o syslog_name=postfix/old -o smtpd_tls_protocols=>=TLSv1")
    mta = lab.start(postfix.Postfix(server, lab.folder / "postfix", HOST, *cert, more=more, smtpd_tls_protocols=">=TLSv1.2"))
    routes = ", ".join(f"{{port-{port}.example = smtp:[{server.ip}]:{port}}}" for port in (25, 10025, 10026, 10027))
    sender = lab.start(postfix.Postfix(old, lab.folder / "old", "mail.office.example", transport_maps=f"inline:{{ {routes} }}",
                                       smtp_tls_security_level="encrypt", smtp_tls_mandatory_protocols=">=TLSv1, <=TLSv1"))
    names = {"client_name": "mail.office.example", "server_name_banner": BANNER}
    too_old = {"client_max_version": "TLS 1.0", "alerts": ["server fatal protocol_version"], "negotiated_version": None}

    def deliver(port, expect):
        hand_over(old, f"desk@port-{port}.example")
        said = sender.next_line("relay=", 20)
        lab.truth.add(old, server, port, expect, said, mta.next_line("disconnect from"))

    with lab.record():
        deliver(25, failed("smtp", **too_old, **names))
        deliver(10025, in_clear("smtp", "not-offered", **IDLE, **NONE, **names))
        deliver(10026, in_clear("smtp", "refused", **IDLE, **NONE, **names))
        deliver(10027, {**upgraded("smtp"), "carrier": "tls", "outcome": "negotiated", "negotiated_version": "TLS 1.0", **names})
