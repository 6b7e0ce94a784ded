"""Terminals and telephones: Telnet with START_TLS, SIP."""

import time

from .. import ciphers
from ..ends import kamailio, openssl, telnet, telnet_ssl
from ..lab import scenario
from .mail import failed, in_clear, upgraded
from .upgrades import IDLE, NONE, SECRET, WORK
from .versions import both

VERSIONS = {"TLS 1.0": "TLSv1", "TLS 1.1": "TLSv1.1", "TLS 1.2": "TLSv1.2", "TLS 1.3": "TLSv1.3"}


@scenario("telnet.pcap", "Telnet by C-Kermit and s3270: START_TLS at TLS 1.0 to 1.3, offered and unused with and without going on, refused likewise, not requested, no version in common; passwords in the clear and within TLS")
def terminals(lab):
    client, server = lab.pair()
    lab.truth.uses(*telnet.names())
    cert = lab.ca.issue("terminal.example")
    port = 2300
    greeted = {"server_name_banner": telnet.GREETING}

    def connect(expect, server_tls, client_tls, most="TLSv1.3", least="TLSv1", ask=telnet.kermit):
        nonlocal port
        port += 1
        with telnet.server(server, lab.folder, *cert, port, server_tls, least) as there:
            said = ask(client, lab.folder, server.ip, port, client_tls, most)
            time.sleep(0.4)
            log = telnet.read(there.text)
        if callable(expect):
            expect = expect(log)
        suite = {"cipher_suite": ciphers.iana(said.cipher)} if said.cipher else {}
        lab.truth.add(client, server, port, {**expect, **suite}, said.line, log.line, said.port)

    with lab.record():
        for version, name in VERSIONS.items():
            connect({**upgraded("telnet"), "carrier": "tls", "outcome": "negotiated", "negotiated_version": version, "client_max_version": version}, "requested", "accepted", name)
        # s3270 may still negotiate its window's size between its FOLLOWS and its hello, and then the server finds no TLS there.
        connect(lambda log: {**upgraded("telnet"), "carrier": "tls", "outcome": "negotiated"} if "[TLS - OK]" in log.text else {**failed("telnet"), "negotiated_version": None},
                "required", "accepted", ask=telnet.s3270)
        connect({**in_clear("telnet", "offered-unused", **WORK, **SECRET), **greeted}, "requested", "refused")
        connect(in_clear("telnet", "offered-unused", **IDLE, **NONE), "required", "refused")
        connect({**in_clear("telnet", "refused", **WORK, **SECRET), **greeted}, "refused", "requested")
        connect(in_clear("telnet", "refused", **IDLE, **NONE), "refused", "required")
        connect({**in_clear("telnet", "not-requested", **WORK, **SECRET), **greeted}, "refused", "refused")
        too_old = {"negotiated_version": None, "client_max_version": "TLS 1.0", "outcome": "refused-by-server", "alerts": ["server fatal protocol_version"]}
        connect({**failed("telnet"), **too_old}, "requested", "accepted", "TLSv1", "TLSv1.2")


@scenario("telnet-auth-ssl.pcap", "Telnet's older way to TLS, the AUTHENTICATION option's type SSL, by netkit-telnet-ssl: upgraded, offered and unused, the certificate refused")
def telnet_auth_ssl(lab):
    client, server = lab.pair()
    lab.truth.uses(telnet_ssl.name())
    cert, key = lab.ca.issue("terminal.example")
    pem = lab.folder / "terminal.pem"
    pem.write_text(cert.read_text() + key.read_text())
    cases = (("-a", {**upgraded("telnet"), "carrier": "tls", "outcome": "negotiated"}),
             ("-znossl", {**in_clear("telnet", "offered-unused", **WORK, **NONE)}),
             ("-zsecure", {**failed("telnet"), "alerts": ["client fatal unknown_ca"]}))
    with lab.record():
        for port, (option, expect) in enumerate(cases, 2300):
            with telnet_ssl.server(server, pem, port):
                time.sleep(0.5)
                said = telnet_ssl.connect(client, server.ip, port, option)
            lab.truth.add(client, server, port, expect, said.line, client_port=said.port)


@scenario("sip.pcap", "SIP at Kamailio: TLS 1.0 to 1.3 from the first byte, no version in common, a ClientHello at the port without TLS")
def telephones(lab):
    client, server = lab.pair()
    lab.truth.uses(openssl.name(), kamailio.name())
    pbx = lab.start(kamailio.server(server, lab.folder / "kamailio", *lab.ca.issue("pbx.example")))
    ask = ((0.6, kamailio.ASK), (0.6, ""))
    with lab.record():
        for version in VERSIONS:
            said = openssl.connect(client, f"{server.ip}:5061", only=version, stdin=ask)
            log = kamailio.read(pbx.wait_for(f"asked OPTIONS by tls from port {said.port}:"))
            lab.truth.add(client, server, 5061, both(said, log).expect(service="sips", upgrade=None, continued_in_clear=None, client_max_version=version), said.line, log.line, said.port)
        said = openssl.connect(client, f"{server.ip}:5062", only="TLS 1.0", stdin=ask)
        refused = {"carrier": "tls", "upgrade": None, "outcome": "refused-by-server", "cause": "alert protocol_version", "negotiated_version": None}
        lab.truth.add(client, server, 5062, refused, said.line, kamailio.read(pbx.wait_for("unsupported protocol")).line, said.port)
        said = openssl.connect(client, f"{server.ip}:5060", only="TLS 1.2", stdin=ask)
        lab.truth.add(client, server, 5060, {"carrier": "tls", "upgrade": None, "outcome": "no-answer", "negotiated_version": None}, said.line, client_port=said.port)
