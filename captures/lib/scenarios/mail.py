"""SMTP, IMAP and POP3: upgraded, not offered, unused, refused, in the clear, and with TLS from the first byte."""

import subprocess
import sys

from ..ends import dovecot, mail_client, openssl, postfix, tlslite
from ..lab import scenario
from ..process import Background, run
from ..said import pick
from .versions import both

HOST = "mail.example"
LOGIN = "desk:secret-of-the-test"
BANNER = f"{HOST} ESMTP"
PYTHON_VERSION = {"TLS 1.0": "TLSv1", "TLS 1.1": "TLSv1_1", "TLS 1.2": "TLSv1_2", "TLS 1.3": "TLSv1_3"}
VERSIONS = tuple(PYTHON_VERSION)


def upgraded(service, **more):
    return {"service": service, "upgrade": "upgraded", "continued_in_clear": False, "cleartext_credentials": False, **more}


def in_clear(service, upgrade, **more):
    return {"service": service, "upgrade": upgrade, "outcome": "cleartext", "carrier": None, "negotiated_version": None,
            "cipher_suite": None, **more}


@scenario("smtp-starttls.pcap", "SMTP with STARTTLS at Postfix: TLS 1.0 to 1.3 by Python, s_client and swaks, and tlslite-ng")
def smtp_starttls(lab):
    client, server = lab.pair()
    lab.truth.uses(mail_client.name(lab.tools), openssl.name(), postfix.name())
    cert = lab.ca.issue(HOST)
    mta = lab.start(postfix.Postfix(server, lab.folder / "postfix", HOST, *cert))
    with lab.record():
        for version in VERSIONS:
            said = mail_client.session(lab.tools, client, "smtp", server.ip, 25, name="printer-2fl", max=PYTHON_VERSION[version], sni=HOST)
            log = mta.next_tls()
            lab.truth.add(client, server, 25, both(said, log).expect(
                **upgraded("smtp"), client_name="printer-2fl", server_name_banner=BANNER, sni=HOST, client_max_version=version),
                said.line, log.line, said.port)
        for version in VERSIONS:
            said = openssl.connect(client, f"{server.ip}:587", "-starttls", "smtp", "-name", "scanner-lobby", only=version,
                                   stdin=((0.8, "MAIL FROM:<scanner@office.example>\n"), (0.3, "QUIT\n"), (0.5, "")))
            log = mta.next_tls()
            lab.truth.add(client, server, 587, both(said, log).expect(
                **upgraded("submission"), client_name="scanner-lobby", server_name_banner=BANNER, sni=None, client_max_version=version),
                said.line, log.line, said.port)
        port = client.next_port()
        text = run(client.enter("swaks", "--server", server.ip, "--port", 25, "--ehlo", "monitoring", "--from", "monitor@office.example",
                                "--to", "desk@office.example", "--tls"))
        log = mta.next_tls()
        lab.truth.uses("swaks " + run(["swaks", "--version"]).split()[2])
        lab.truth.add(client, server, 25, log.expect(**upgraded("smtp"), client_name="monitoring", server_name_banner=BANNER),
                      pick(text, "TLS started", "TLS peer", "TLS no"), log.line, port)
        for low, high in (("TLSv1", "TLSv1"), ("TLSv1", "TLSv1_2")):
            said = mail_client.session(lab.tools, client, "smtp", server.ip, 587, stack="tlslite", name="scan-archive", min=low, max=high)
            log = mta.next_tls()
            lab.truth.add(client, server, 587, both(said, log).expect(
                **upgraded("submission"), client_name="scan-archive", server_name_banner=BANNER, sni=None), said.line, log.line, said.port)
        lab.truth.uses(tlslite.name(lab.tools))


@scenario("imap-pop3-starttls.pcap", "IMAP STARTTLS and POP3 STLS at Dovecot: TLS 1.0 to 1.3, with a login inside")
def imap_pop3(lab):
    client, server = lab.pair()
    lab.truth.uses(mail_client.name(lab.tools), dovecot.name())
    cert = lab.ca.issue(HOST)
    mda = lab.start(dovecot.Dovecot(server, lab.folder / "dovecot", *cert, greeting=f"{HOST} ready"))
    with lab.record():
        for protocol, port in (("imap", 143), ("pop3", 110)):
            for version in VERSIONS:
                said = mail_client.session(lab.tools, client, protocol, server.ip, port, max=PYTHON_VERSION[version], sni=HOST, login=LOGIN)
                log = mda.next_said()
                lab.truth.add(client, server, port, both(said, log).expect(**upgraded(protocol), sni=HOST, client_max_version=version),
                              said.line, log.line, said.port)


@scenario("mail-implicit.pcap", "TLS from the first byte on 465, 993 and 995: TLS 1.0, 1.2, 1.3")
def implicit(lab):
    client, server = lab.pair()
    lab.truth.uses(mail_client.name(lab.tools), postfix.name(), dovecot.name())
    cert = lab.ca.issue(HOST)
    mta = lab.start(postfix.Postfix(server, lab.folder / "postfix", HOST, *cert))
    mda = lab.start(dovecot.Dovecot(server, lab.folder / "dovecot", *cert))
    with lab.record():
        for protocol, port in (("smtp", 465), ("imap", 993), ("pop3", 995)):
            for version in ("TLS 1.0", "TLS 1.2", "TLS 1.3"):
                said = mail_client.session(lab.tools, client, protocol, server.ip, port, tls="implicit", max=PYTHON_VERSION[version], sni=HOST,
                                           login=None if port == 465 else LOGIN)
                log = mta.next_tls() if port == 465 else mda.next_said()
                lab.truth.add(client, server, port, both(said, log).expect(sni=HOST, client_max_version=version, upgrade=None, continued_in_clear=None),
                              said.line, log.line, said.port)


@scenario("mail-cleartext.pcap", "Mail without TLS: not offered, offered and unused, not asked for, refused with 454; with and without a password in the clear")
def cleartext(lab):
    client, server = lab.pair()
    lab.truth.uses(mail_client.name(lab.tools), postfix.name(), dovecot.name())
    cert = lab.ca.issue(HOST)
    mda = lab.start(dovecot.Dovecot(server, lab.folder / "dovecot", *cert, greeting=f"{HOST} ready"))
    more = ("10025 inet n - n - - smtpd -o syslog_name=postfix/no-tls -o smtpd_tls_security_level=none\n"
            # Its key does not fit its certificate: Postfix offers STARTTLS, and answers 454.
            f"10026 inet n - n - - smtpd -o syslog_name=postfix/broken -o smtpd_tls_cert_file={cert[0]} -o smtpd_tls_key_file={lab.ca.issue('other.example')[1]}")
    mta = lab.start(postfix.Postfix(server, lab.folder / "postfix", HOST, *cert, more=more, smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot",
                                    smtpd_sasl_path=mda.auth, smtpd_sasl_security_options="noanonymous", smtpd_tls_auth_only="no"))

    def smtp(port, expect, *options, said_by_server="disconnect from", **more):
        said = mail_client.session(lab.tools, client, "smtp", server.ip, port, *options, name="printer-2fl", **more)
        log = mta.next_line(said_by_server)
        service = {"service": {25: "smtp", 587: "submission"}.get(port, "smtp")}
        lab.truth.add(client, server, port, {**expect, **service, "client_name": "printer-2fl", "server_name_banner": BANNER},
                      said.line, log, said.port)

    work, idle = {"continued_in_clear": True}, {"continued_in_clear": False}
    secret, none = {"cleartext_credentials": True}, {"cleartext_credentials": False}
    with lab.record():
        smtp(10025, in_clear("smtp", "not-offered", **work, **none), tls="if-offered")
        smtp(10025, in_clear("smtp", "not-offered", **work, **secret), tls="if-offered", login=LOGIN)
        smtp(25, in_clear("smtp", "offered-unused", **work, **none), tls="none")
        smtp(587, in_clear("smtp", "offered-unused", **work, **secret), tls="none", login=LOGIN)
        smtp(25, in_clear("smtp", "offered-unused", **idle, **none), "--only-greet", tls="none")
        smtp(25, in_clear("smtp", "not-requested", **work, **none), "--helo", tls="none")
        smtp(10026, in_clear("smtp", "refused", **idle, **none), tls="starttls")
        smtp(10026, in_clear("smtp", "refused", **work, **none), tls="if-offered")
        for protocol, port in (("imap", 143), ("pop3", 110)):
            said = mail_client.session(lab.tools, client, protocol, server.ip, port, tls="none", login=LOGIN)
            log = mda.next_said()
            lab.truth.add(client, server, port, in_clear(protocol, "offered-unused", **work, **secret), said.line, log.line, said.port)
            said = mail_client.session(lab.tools, client, protocol, server.ip, port, "--only-greet", tls="none")
            log = mda.next_said(what="Aborted login" if protocol == "imap" else "Disconnected")
            lab.truth.add(client, server, port, in_clear(protocol, "offered-unused", **idle, **none), said.line, log.line, said.port)


def failed(service, **more):
    return {"service": service, "upgrade": "hello-failed", "carrier": "tls", "continued_in_clear": False, "cleartext_credentials": False, **more}


def left(service, **more):
    """The client went after the server's yes. Most servers answer that by an alert, and an alert without a hello counts as a failed handshake."""
    return {**failed(service), "carrier": None, "negotiated_version": None, **more}


@scenario("starttls-failed.pcap", "STARTTLS that fails: too old a client at a server from TLS 1.2 on, a certificate refused (TLS 1.2, 1.3), no hello after the yes; Postfix then delivers in the clear")
def starttls_failed(lab):
    network = lab.network()
    client, old, server = (network.host(name, address) for name, address in (("client", "10.20.0.10/24"), ("old", "10.20.0.25/24"), ("server", "10.20.0.1/24")))
    lab.truth.uses(mail_client.name(lab.tools), openssl.name(), postfix.name(), dovecot.name())
    cert = lab.ca.issue(HOST)
    mta = lab.start(postfix.Postfix(server, lab.folder / "postfix", HOST, *cert, smtpd_tls_protocols=">=TLSv1.2"))
    mda = lab.start(dovecot.Dovecot(server, lab.folder / "dovecot", *cert, least="TLSv1.2", greeting=f"{HOST} ready"))
    sender = lab.start(postfix.Postfix(old, lab.folder / "old", "mail.office.example", default_transport=f"smtp:[{server.ip}]",
                                       smtp_tls_security_level="may", smtp_tls_protocols=">=TLSv1, <=TLSv1",
                                       minimal_backoff_time="2s", maximal_backoff_time="3s", queue_run_delay="2s"))
    too_old = {"negotiated_version": None, "outcome": "refused-by-server", "cause": "alert protocol_version", "alerts": ["server fatal protocol_version"],
               "client_max_version": "TLS 1.0", "sni": None}
    smtp = {"client_name": "printer-2fl", "server_name_banner": BANNER}
    with lab.record():
        said = mail_client.session(lab.tools, client, "smtp", server.ip, 587, name="printer-2fl", max="TLSv1")
        lab.truth.add(client, server, 587, failed("submission", **too_old, **smtp), said.line, mta.next_line("SSL_accept error"), said.port)
        for protocol, port in (("imap", 143), ("pop3", 110)):
            said = mail_client.session(lab.tools, client, protocol, server.ip, port, max="TLSv1", login=LOGIN)
            log = mda.next_said(what="TLS handshaking")
            # Dovecot closes the connection without the alert; the client finds an end where a ServerHello should be.
            expect = failed(protocol, negotiated_version=None, client_max_version="TLS 1.0", sni=None)
            lab.truth.add(client, server, port, expect, said.line, log.line, said.port)
        for version in ("TLS 1.2", "TLS 1.3"):
            said = openssl.connect(client, f"{server.ip}:25", "-starttls", "smtp", "-name", "printer-2fl", "-state", "-verify_return_error", "-verify", "3", only=version)
            expect = {**failed("smtp"), **smtp, "negotiated_version": version, "alerts": ["client fatal unknown_ca"], "sni": None}
            if version == "TLS 1.3":
                del expect["upgrade"]  # The alert is in the clear all the same; which state that makes is the auditor's to settle.
            lab.truth.add(client, server, 25, expect, said.line, mta.next_line("SSL_accept error"), said.port)
        said = mail_client.session(lab.tools, client, "smtp", server.ip, 25, name="printer-2fl", tls="abandoned")
        lab.truth.add(client, server, 25, {"service": "smtp", "upgrade": "accepted-no-hello", "carrier": None, "negotiated_version": None,
                                           "continued_in_clear": False, "cleartext_credentials": False, **smtp}, said.line, mta.next_line("lost connection"), said.port)
        opportunist(lab, old, server, sender, mta, too_old)


def opportunist(lab, old, server, sender, mta, too_old):
    """A mail server that may use TLS: it fails and defers, fails again later, and then hands the mail over without."""
    names = {"client_name": "mail.office.example", "server_name_banner": BANNER}
    hand_over(old, "desk@partner.example")
    for _ in range(2):
        said = sender.next_line("SSL_connect error", 20)
        lab.truth.add(old, server, 25, failed("smtp", **too_old, **names), said, mta.next_line(f"SSL_accept error from unknown[{old.ip}]"))
    said = sender.next_line("status=sent", 20)
    lab.truth.add(old, server, 25, in_clear("smtp", "offered-unused", continued_in_clear=True, cleartext_credentials=False, **names), said, mta.next_line(" rcpt=1 data=1"))


@scenario("starttls-stripped.pcap", "Postfix' offer of STARTTLS overwritten on its way to the client, in two firewalls' manners; the client goes on in the clear, once with a password")
def starttls_stripped(lab):
    network = lab.network()
    # The relay has an address of its own, in the server's place; what is recorded is the clients' side of it.
    client, relay = network.host("client", "10.20.0.10/24"), network.host("relay", "10.20.0.1/24", "10.20.1.2/24")
    server = network.host("server", "10.20.1.1/24")
    lab.truth.uses(mail_client.name(lab.tools), postfix.name(), dovecot.name(), "this project's own mangling relay")
    cert = lab.ca.issue(HOST)
    mda = lab.start(dovecot.Dovecot(server, lab.folder / "dovecot", *cert))
    mta = lab.start(postfix.Postfix(server, lab.folder / "postfix", HOST, *cert, smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot",
                                    smtpd_sasl_path=mda.auth, smtpd_sasl_security_options="noanonymous", smtpd_tls_auth_only="no"))
    relays = {}
    for port, replacement in ((25, "XXXXXXXA"), (587, "********")):
        program = [sys.executable, lab.tools.clients / "mangling_relay.py", port, server.ip, port, replacement]
        relays[port] = lab.start(Background(relay.enter(*program), ready="listening"))
    with lab.record(filter=f"tcp and host {client.ip}"):
        for port, service, login in ((25, "smtp", None), (587, "submission", LOGIN)):
            said = mail_client.session(lab.tools, client, "smtp", relay.ip, port, name="printer-2fl", tls="if-offered", login=login)
            log = relays[port].wait_for("overwrote") + " | " + mta.next_line("disconnect from")
            lab.truth.add(client, relay, port, in_clear(service, "stripped-suspected", continued_in_clear=True, cleartext_credentials=bool(login),
                                                        client_name="printer-2fl", server_name_banner=BANNER), said.line, log, said.port)


def hand_over(host, recipient):
    """Gives a mail to the host's own mail server, over its loopback, which is not recorded."""
    program = (f"import smtplib; s = smtplib.SMTP('127.0.0.1', 25, 'localhost', timeout=10); "
               f"s.sendmail('desk@office.example', ['{recipient}'], 'Subject: hello\\r\\n\\r\\nHello.\\r\\n'); s.quit()")
    subprocess.run(host.enter(sys.executable, "-c", program), check=True)
