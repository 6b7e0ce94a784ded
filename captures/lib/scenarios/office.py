"""The README's example: an office shortly before its mail provider stops taking TLS below 1.2."""

import time

from ..ends import chromium, dovecot, java, mail_client, nginx, openssl, postfix
from ..lab import scenario
from ..said import Said
from .mail import hand_over, in_clear, upgraded
from .versions import both

LOGIN = "desk:secret-of-the-test"
# As an embedded system of the time before 2012 has them.
OLD_SUITES = "AES128-SHA:AES256-SHA:@SECLEVEL=0"
JAVA7_SUITES = ",".join(["TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_AES_128_CBC_SHA",
                         "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", "SSL_RSA_WITH_3DES_EDE_CBC_SHA", "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"])

LAN = {  # name: address and the MAC of a maker of such things
    "printer-2fl": ("192.168.20.41/24", "00:80:77:5a:10:41"),    # Brother
    "scanner-lobby": ("192.168.20.42/24", "00:1b:a9:33:20:42"),  # Brother
    "mfp-sales": ("192.168.20.43/24", "00:26:ab:7c:31:43"),      # Seiko Epson
    "mfp-office": ("192.168.20.44/24", "00:17:c8:4d:02:44"),     # Kyocera
    "erp": ("192.168.20.10/24", "00:50:56:a1:20:10"),            # VMware
    "mailhost": ("192.168.20.25/24", "00:15:5d:14:20:25"),       # Hyper-V
    "fs-proxy": ("192.168.20.30/24", "00:15:5d:14:20:30"),
    "fs": ("192.168.20.31/24", "00:15:5d:14:20:31"),
    "pc-desk1": ("192.168.20.101/24", "3c:52:82:6a:11:01"),      # Hewlett Packard
    "pc-desk2": ("192.168.20.102/24", "3c:52:82:6a:11:02"),
    "pc-old": ("192.168.20.103/24", "00:1e:0b:2c:11:03"),
}
WORLD = {
    "smtp-provider": "198.51.100.25/32", "portal": "198.51.100.80/32", "filter": "198.51.100.26/32",
    "partner-old": "203.0.113.25/32", "partner-plain": "203.0.113.77/32", "partner-mutual": "192.0.2.25/32", "outside": "203.0.113.200/32",
}


class Office:
    """The hosts, the servers that run on them, and what is recorded of each session."""

    def __init__(self, lab):
        self.lab, self.tools = lab, lab.tools
        network = lab.network()
        network.router("gateway", "192.168.20.1/24", "00:0d:b9:4b:20:01")
        self.at = {name: network.host(name, address, mac=mac) for name, (address, mac) in LAN.items()}
        self.at |= {name: network.host(name, address, behind="gateway") for name, address in WORLD.items()}

    def issue(self, name):
        return self.lab.ca.issue(name)

    def mta(self, where, name, **settings):
        cert = self.issue(name) if settings.pop("tls", True) else (None, None)
        return self.lab.start(postfix.Postfix(self.at[where], self.lab.folder / where, name, *cert, **settings))

    def tell(self, client, server, port, expect, said, log):
        # Who is outside is seen with the router's MAC.
        gateway = self.at[client].network.gateway
        macs = {f"{end}_mac": (self.at[name] if name in LAN else gateway).mac for end, name in (("client", client), ("server", server))}
        route = {(True, False): "outbound", (False, True): "inbound", (True, True): "internal"}[client in LAN, server in LAN]
        expect = {**expect, **macs, "route": route}
        self.lab.truth.add(self.at[client], self.at[server], port, expect, said.line, log.line, said.port)

    def mail(self, client, server, port, log_of, **options):
        """A mail from `client`; gives what both ends said."""
        said = mail_client.session(self.tools, self.at[client], "smtp", self.at[server].ip, port, **options)
        return said, log_of.next_tls()


@scenario("office.pcap", "An office before the day on which its mail provider stops taking TLS below 1.2")
def office(lab):
    lab.truth.uses(mail_client.name(lab.tools), java.name(), openssl.name(), chromium.name(), postfix.name(), dovecot.name(), nginx.name())
    o = Office(lab)
    mailbox = lab.start(dovecot.Dovecot(o.at["smtp-provider"], lab.folder / "mailbox", *o.issue("mail.provider.example"), greeting="mail.provider.example ready"))
    provider = o.mta("smtp-provider", "smtp.provider.example", smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot",
                     smtpd_sasl_path=mailbox.auth, smtpd_sasl_security_options="noanonymous", smtpd_tls_auth_only="yes")
    # The office's own mail server is old: it takes at most TLS 1.0, and delivers with at most TLS 1.0 where it is not told otherwise.
    key = o.issue("mail.office.example")
    own = o.mta("mailhost", "mail.office.example", smtpd_tls_protocols=">=TLSv1, <=TLSv1", smtp_tls_protocols=">=TLSv1, <=TLSv1",
                smtp_tls_security_level="may", smtp_tls_cert_file=key[0], smtp_tls_key_file=key[1], smtp_tls_CAfile=lab.ca.pem, default_transport="smtp",
                transport_maps="inline:{ partner-old.example=smtp:[203.0.113.25], partner-plain.example=smtp:[203.0.113.77], partner-mutual.example=smtp:[192.0.2.25], office.example=discard: }",
                smtp_tls_policy_maps="inline:{ {[192.0.2.25] = verify protocols=>=TLSv1.2 match=mx.partner-mutual.example servername=mx.partner-mutual.example} }",
                smtpd_tls_session_cache_database="")
    partner_old = o.mta("partner-old", "mx.partner-old.example", smtpd_tls_protocols=">=TLSv1, <=TLSv1")
    partner_plain = o.mta("partner-plain", "mx.partner-plain.example", tls=False)
    partner_mutual = o.mta("partner-mutual", "mx.partner-mutual.example", smtpd_tls_security_level="encrypt", smtpd_tls_req_ccert="yes",
                           smtpd_tls_CAfile=lab.ca.pem, smtpd_tls_mandatory_protocols=">=TLSv1.2, <=TLSv1.2", smtpd_tls_protocols=">=TLSv1.2, <=TLSv1.2")
    filter_ = o.mta("filter", "filter.provider.example", default_transport="smtp:[192.168.20.25]", smtp_tls_security_level="may")
    portal = lab.start(nginx.Nginx(o.at["portal"], lab.folder / "portal", nginx.site(*o.issue("portal.provider.example"), protocols="TLSv1.2 TLSv1.3", http2=True)))
    federation = lab.start(nginx.Nginx(o.at["fs"], lab.folder / "fs", nginx.site(*o.issue("fs.office.example"), protocols="TLSv1",
                           extra=f"ssl_client_certificate {lab.ca.pem}; ssl_verify_client on;")))
    proxy_cert = o.issue("sts.office.example")
    front = lab.start(nginx.Nginx(o.at["fs-proxy"], lab.folder / "fs-proxy", nginx.site(
        *proxy_cert, protocols="TLSv1.2", extra=f"ssl_client_certificate {lab.ca.pem}; ssl_verify_client optional;",
        location=f"proxy_pass https://192.168.20.31; proxy_ssl_protocols TLSv1; proxy_ssl_ciphers DEFAULT:@SECLEVEL=0; proxy_ssl_server_name on; "
                 f"proxy_ssl_name fs.office.example; proxy_ssl_certificate {proxy_cert[0]}; proxy_ssl_certificate_key {proxy_cert[1]};")))
    with lab.record():
        devices_submit(o, provider)
        erp_submits(o, provider)
        people_read_mail(o, mailbox)
        browsers(o, portal)
        outward(o, own, partner_old, partner_plain, partner_mutual)
        inward(o, own, filter_)
        federated(o, front, federation)


def devices_submit(o, provider):
    """Printers and scanners that mail what they scan, each with the TLS it was built with."""
    for name, ciphers, high, version in (
            ("printer-2fl", OLD_SUITES, "TLSv1", "TLS 1.0"), ("scanner-lobby", OLD_SUITES, "TLSv1", "TLS 1.0"),
            ("mfp-sales", "AES256-SHA:AES128-SHA:@SECLEVEL=0", "TLSv1", "TLS 1.0"),
            ("mfp-office", "AES128-SHA:AES256-SHA:AES128-SHA256:@SECLEVEL=0", "TLSv1_2", "TLS 1.2")):
        said, log = o.mail(name, "smtp-provider", 587, provider, name=name, ciphers=ciphers, max=high, login=LOGIN, size=2000)
        o.tell(name, "smtp-provider", 587, both(said, log).expect(
            **upgraded("submission"), client_name=name, server_name_banner="smtp.provider.example ESMTP", sni=None, client_max_version=version), said, log)


def erp_submits(o, provider):
    """An ERP system on an old Java runtime: orders by mail."""
    said = java.connect(o.tools, o.at["erp"], f"{o.at['smtp-provider'].ip}:587", "TLSv1", suites=JAVA7_SUITES, sni="smtp.provider.example", smtp="erp")
    log = provider.next_tls()
    o.tell("erp", "smtp-provider", 587, both(said, log).expect(
        **upgraded("submission"), client_name="erp", server_name_banner="smtp.provider.example ESMTP", sni="smtp.provider.example",
        client_max_version="TLS 1.0", resumed=False), said, log)


def people_read_mail(o, mailbox):
    for client, protocol, port, tls, high, version in (
            ("pc-old", "pop3", 110, "starttls", "TLSv1", "TLS 1.0"), ("pc-old", "pop3", 995, "implicit", "TLSv1", "TLS 1.0"),
            ("pc-desk1", "imap", 993, "implicit", "TLSv1_2", "TLS 1.2"), ("pc-desk2", "imap", 143, "starttls", "TLSv1_2", "TLS 1.2")):
        said = mail_client.session(o.tools, o.at[client], protocol, o.at["smtp-provider"].ip, port, tls=tls, max=high, sni="mail.provider.example", login=LOGIN)
        log = mailbox.next_said()
        upgrade = upgraded(protocol) if tls == "starttls" else {"upgrade": None}
        o.tell(client, "smtp-provider", port, both(said, log).expect(**upgrade, sni="mail.provider.example", client_max_version=version), said, log)


def browsers(o, portal):
    profile = o.lab.folder / "browser"
    for client in ("pc-desk1", "pc-desk2"):
        page = chromium.visit(o.at[client], "https://portal.provider.example/", o.at["portal"].ip, profile / client)
        time.sleep(0.3)
        by_port = {said.port: said for said in reversed(portal.all_said()) if o.at[client].ip in said.line}
        for log in by_port.values():
            said = Said(line=page, port=log.port)
            o.tell(client, "portal", 443, both(log, said).expect(sni="portal.provider.example", client_max_version="TLS 1.3",
                                                                 client_alpn=["h2", "http/1.1"], service="https", upgrade=None), said, log)


def outward(o, own, partner_old, partner_plain, partner_mutual):
    """The office's mail server delivers to partners."""
    for partner, mta, domain, expect in (
            ("partner-old", partner_old, "partner-old.example", {"client_max_version": "TLS 1.0", **upgraded("smtp")}),
            ("partner-plain", partner_plain, "partner-plain.example", None),
            ("partner-mutual", partner_mutual, "partner-mutual.example",
             {"sni": "mx.partner-mutual.example", "client_certificate": "sent", **upgraded("smtp")})):
        names = {"client_name": "mail.office.example", "server_name_banner": f"mx.{domain} ESMTP"}
        hand_over(o.at["mailhost"], f"desk@{domain}")
        if expect is None:
            said = Said(line=own.next_line(f"to=<desk@{domain}>"))
            log = Said(line=mta.next_line("disconnect from"))
            o.tell("mailhost", partner, 25, {**in_clear("smtp", "not-offered", continued_in_clear=True, cleartext_credentials=False), **names}, said, log)
            continue
        said = own.next_tls(what="TLS connection established to")
        log = mta.next_tls()
        own.next_line("status=sent")
        o.tell("mailhost", partner, 25, both(said, log).expect(**expect, **names), said, log)


def inward(o, own, filter_):
    """Mail comes in: from the provider's filter, which offers all versions, and from a partner with TLS 1.0 alone."""
    hand_over(o.at["filter"], "desk@office.example")
    said = filter_.next_tls(what="TLS connection established to")
    log = own.next_tls(what="TLS connection established from")
    filter_.next_line("status=sent")
    o.tell("filter", "mailhost", 25, both(said, log).expect(
        **upgraded("smtp"), client_name="filter.provider.example", server_name_banner="mail.office.example ESMTP", client_max_version="TLS 1.3"), said, log)
    said, log = o.mail("partner-old", "mailhost", 25, own, name="mx.partner-old.example", max="TLSv1", to="desk@office.example")
    o.tell("partner-old", "mailhost", 25, both(said, log).expect(
        **upgraded("smtp"), client_name="mx.partner-old.example", server_name_banner="mail.office.example ESMTP", client_max_version="TLS 1.0"), said, log)


def federated(o, front, federation):
    """A sign-in from outside: TLS 1.2 to the proxy, which reaches the federation server with TLS 1.0; certificates both times."""
    cert, key = o.issue("partner-user.example")
    said = openssl.connect(o.at["outside"], f"{o.at['fs-proxy'].ip}:443", "-cert", cert, "-key", key, only="TLS 1.2", sni="sts.office.example")
    log = front.next_said()
    o.tell("outside", "fs-proxy", 443, both(said, log).expect(sni="sts.office.example", client_max_version="TLS 1.2", client_certificate="sent"), said, log)
    log = federation.next_said()
    said = Said(line="nginx as a proxy, proxy_ssl_protocols TLSv1")
    log.resumed = False
    expect = log.expect(sni="fs.office.example", client_max_version="TLS 1.0", client_certificate="sent")
    said.port = log.port
    o.tell("fs-proxy", "fs", 443, expect, said, log)

