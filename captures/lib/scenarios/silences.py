"""Servers that end a handshake without saying why."""

from ..ends import dovecot, openssl
from ..lab import scenario
from .desks import Displays
from .mail import failed, in_clear
from .upgrades import IDLE, NONE


@scenario("vnc-refused.pcap", "VNC by TigerVNC, VeNCrypt without success: no TLS among its sub-types; no version in common and anonymous keys in TLS 1.3, which GnuTLS answers by a close_notify")
def vnc_refused(lab):
    displays = Displays(lab, {5902: ("Plain",), 5903: ("X509None,TLSNone", "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1")})
    refused = {**failed("rfb"), "negotiated_version": None, "outcome": "refused-by-server"}
    with lab.record():
        displays.view(5902, "X509None", in_clear("rfb", "not-offered", **IDLE, **NONE))
        displays.view(5903, "X509None", {**refused, "client_max_version": "TLS 1.0"}, "TLS 1.0")
        displays.view(5903, "TLSNone", refused, "TLS 1.3")


@scenario("hung-up.pcap", "A server that hangs up on a ClientHello that is too old, without an alert: Dovecot's ManageSieve, LMTP, IMAP, POP3; OpenSSL's client then sends one of its own")
def hung_up(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), dovecot.name())
    more = dovecot.LMTP.format(ssl="yes", sieve=4190, lmtp=24)
    mda = lab.start(dovecot.Dovecot(server, lab.folder / "dovecot", *lab.ca.issue("mail.example"), least="TLSv1.2", protocols="imap pop3 sieve lmtp", more=more))
    with lab.record():
        for kind, port in (("sieve", 4190), ("lmtp", 24), ("imap", 143), ("pop3", 110)):
            said = openssl.connect(client, f"{server.ip}:{port}", "-starttls", kind, only="TLS 1.0")
            log = mda.next_said(what="SSL_accept()")
            expect = {**failed(kind), "negotiated_version": None, "outcome": "refused-by-server", "client_max_version": "TLS 1.0"}
            lab.truth.add(client, server, port, expect, said.line, log.line, said.port)
        said = openssl.connect(client, f"{server.ip}:993", only="TLS 1.0")
        log = mda.next_said(what="SSL_accept()")
        lab.truth.add(client, server, 993, {"upgrade": None, "carrier": "tls", "negotiated_version": None, "outcome": "refused-by-server", "client_max_version": "TLS 1.0"}, said.line, log.line, said.port)
