"""Other protocols that are upgraded to TLS on their way: LDAP, PostgreSQL, FTP, and tunnels through an HTTP proxy."""

import re
import time

from ..ends import kerberos, ldap, nginx, openssl, pgbouncer, postgres, tinyproxy, vsftpd
from ..lab import scenario
from ..process import run
from ..said import Said, pick
from .mail import in_clear, upgraded

WORK, IDLE = {"continued_in_clear": True}, {"continued_in_clear": False}
SECRET, NONE = {"cleartext_credentials": True}, {"cleartext_credentials": False}


@scenario("postgresql.pcap", "PostgreSQL: SSLRequest and TLS 1.0, 1.2, 1.3; refused by a server without TLS, with and without going on; not asked for; the password in the clear")
def postgresql(lab):
    client, server = lab.pair()
    lab.truth.uses(postgres.name())
    cert = lab.ca.issue("db.example")
    secure = lab.start(postgres.server(server, lab.folder / "secure", *cert))
    plain = lab.start(postgres.server(server, lab.folder / "plain", *cert, port=5433, ssl="off"))

    def psql(port, log_of, what, **parameters):
        seen = len(log_of.lines)
        said = postgres.psql(client, lab.folder, server.ip, port, **parameters)
        line = log_of.wait_for(what, after=seen) if what else ""
        return said, line

    with lab.record():
        for version in ("TLSv1", "TLSv1.2", "TLSv1.3"):
            said, log = psql(5432, secure, "connection authorized", sslmode="require", ssl_min_protocol_version="TLSv1", ssl_max_protocol_version=version)
            expect = said.expect(**upgraded("postgresql"))
            # The server knows P-256 alone (its default), which psql in TLS 1.3 sends no share for.
            retry = {"hello_retry": True, "named_group": "secp256r1"} if version == "TLSv1.3" else {}
            lab.truth.add(client, server, 5432, {**expect, **retry, "client_max_version": expect["negotiated_version"]}, said.line, log, said.port)
        said, log = psql(5432, secure, "connection authorized", sslmode="disable")
        lab.truth.add(client, server, 5432, in_clear("postgresql", "not-requested", **WORK, **SECRET), said.line, log, said.port)
        said, log = psql(5433, plain, "connection authorized", sslmode="prefer")
        lab.truth.add(client, server, 5433, in_clear("postgresql", "refused", **WORK, **SECRET), said.line, log, said.port)
        said, log = psql(5433, plain, "connection received", sslmode="require")
        lab.truth.add(client, server, 5433, in_clear("postgresql", "refused", **IDLE, **NONE), said.line, log, said.port)


# Encrypted, and not by TLS: nothing tells how well.
GSSAPI = {"outcome": "unknown", "cause": "gssapi encryption"}


@scenario("postgresql-gss.pcap", "psql with a Kerberos ticket, which asks for encryption by GSSAPI first: refused, then TLS 1.0, 1.2, 1.3, and without TLS; accepted and failed, then TLS on a new connection; accepted and used")
def postgresql_gss(lab):
    client, server = lab.pair()
    lab.truth.uses(postgres.name(), pgbouncer.name())
    realm = kerberos.Realm(server, lab.folder / "realm")
    realm.service("postgres/db.example")
    lab.start(realm.server())
    realm.ticket(client, "desk", postgres.PASSWORD)
    cert = lab.ca.issue("db.example")
    keys = f"krb_server_keyfile = 'FILE:{realm.keytab}'\n"
    known = lab.start(postgres.server(server, lab.folder / "known", *cert, more=keys))
    unknown = lab.start(postgres.server(server, lab.folder / "unknown", *cert, port=5433))
    pool = lab.start(pgbouncer.server(server, lab.folder / "pool", *cert, server.ip, 5433, postgres.PASSWORD))
    clear = lab.start(pgbouncer.server(server, lab.folder / "clear", *cert, server.ip, 5433, postgres.PASSWORD, 6433, "disable"))

    def psql(port, log_of, what, **parameters):
        seen = len(log_of.lines)
        said = postgres.psql(client, lab.folder, "db.example", port, env=realm.env, **{"hostaddr": server.ip, "gssencmode": "prefer", **parameters})
        log = log_of.wait_for(what, after=seen)
        return said, re.sub(r"^\S+ \S+ \S+ \[\d+\] |\(/var\S+\)", "", log)

    with lab.record(filter=f"tcp and host {client.ip} and not port 88"):
        for version in ("TLSv1", "TLSv1.2", "TLSv1.3"):
            said, log = psql(6432, pool, "login attempt", sslmode="require", ssl_min_protocol_version="TLSv1", ssl_max_protocol_version=version)
            expect = said.expect(**upgraded("postgresql"))
            lab.truth.add(client, server, 6432, {**expect, "client_max_version": expect["negotiated_version"]}, said.line, log, said.port)
        said, log = psql(6433, clear, "login attempt", sslmode="prefer")
        lab.truth.add(client, server, 6433, in_clear("postgresql", "refused", **WORK, **SECRET), said.line, log, said.port)
        said, log = psql(6432, pool, "login attempt", sslmode="disable")
        lab.truth.add(client, server, 6432, in_clear("postgresql", "not-requested", **WORK, **SECRET), said.line, log, said.port)
        said, log = psql(5433, unknown, "connection authorized", sslmode="prefer")
        lab.truth.add(client, server, 5433, {**in_clear("postgresql", "not-requested", **IDLE, **NONE), **GSSAPI}, said.line, unknown.wait_for("could not accept GSSAPI security context"), said.port)
        lab.truth.add(client, server, 5433, said.expect(**upgraded("postgresql")), said.line, log, said.port)
        said, log = psql(5432, known, "connection authorized", sslmode="disable", gssencmode="require")
        lab.truth.add(client, server, 5432, {**in_clear("postgresql", "not-requested", **NONE), **GSSAPI}, said.line, log, said.port)


@scenario("ldap.pcap", "LDAP: StartTLS at TLS 1.0, 1.2, 1.3, refused by a server without TLS, a bind with a password in the clear, an anonymous search; LDAPS")
def ldap_starttls(lab):
    client, server = lab.pair()
    lab.truth.uses(ldap.name())
    cert = lab.ca.issue("ldap.example")
    secure = lab.start(ldap.server(server, lab.folder / "secure", *cert, implicit=636))
    plain = lab.start(ldap.server(server, lab.folder / "plain", port=3389))
    url = f"ldap://{server.ip}"
    with lab.record():
        for version, number in (("TLS 1.0", "1.0"), ("TLS 1.2", "1.2"), ("TLS 1.3", "1.3")):
            said = ldap.search(client, url, "-ZZ", versions=f"NORMAL:-VERS-ALL:+VERS-TLS{number}")
            log = ldap.read(secure, said.port)
            lab.truth.add(client, server, 389, log.expect(**upgraded("ldap"), client_max_version=version), said.line, log.line, said.port)
        said = ldap.search(client, url)
        lab.truth.add(client, server, 389, in_clear("ldap", "not-requested", **WORK, **SECRET), said.line, ldap.read(secure, said.port).line, said.port)
        said = ldap.search(client, url, bind=False)
        lab.truth.add(client, server, 389, in_clear("ldap", "not-requested", **WORK, **NONE), said.line, ldap.read(secure, said.port).line, said.port)
        said = ldap.search(client, f"{url}:3389", "-ZZ")
        lab.truth.add(client, server, 3389, in_clear("ldap", "refused", **IDLE, **NONE), said.line, ldap.read(plain, said.port).line, said.port)
        said = ldap.search(client, f"{url}:3389", "-Z")
        lab.truth.add(client, server, 3389, in_clear("ldap", "refused", **WORK, **SECRET), said.line, ldap.read(plain, said.port).line, said.port)
        said = ldap.search(client, f"ldaps://{server.ip}", versions="NORMAL:-VERS-ALL:+VERS-TLS1.2")
        log = ldap.read(secure, said.port)
        lab.truth.add(client, server, 636, log.expect(upgrade=None, client_max_version="TLS 1.2"), said.line, log.line, said.port)


@scenario("ftp.pcap", "FTP: AUTH TLS at TLS 1.0 and 1.2, refused by a server without TLS, not asked for, with a password in the clear")
def ftp(lab):
    client, server = lab.pair()
    lab.truth.uses("curl " + run(["curl", "--version"]).split()[1], vsftpd.name())
    cert = lab.ca.issue("ftp.example")
    secure = lab.start(vsftpd.Vsftpd(server, lab.folder / "secure", *cert))
    plain = lab.start(vsftpd.Vsftpd(server, lab.folder / "plain", *cert, port=2121, ssl="NO"))
    time.sleep(1)

    def curl(port, *options):
        base = client.next_port()
        client.use_ports(base, base + 3)  # The data connection needs one too; which is first is the kernel's choice.
        text = run(client.enter("curl", "-sS", "-v", "-k", *options, f"ftp://{server.ip}:{port}/scan.txt"))
        return Said(text=text, line=pick(text, "SSL connection using", "curl: (", "a scanned page", "< 5"))

    with lab.record(filter="tcp port 21 or tcp port 2121"):
        for most, version in (("1.0", "TLS 1.0"), ("1.2", "TLS 1.2")):
            said = curl(21, "--ftp-ssl-control", "--tls-max", most, "--tlsv1.0", "--ciphers", openssl.ANY)
            log = secure.next_tls()
            lab.truth.add(client, server, 21, log.expect(**upgraded("ftp"), client_max_version=version), said.line, log.line)
        said = curl(2121, "--ssl-reqd")
        lab.truth.add(client, server, 2121, in_clear("ftp", "refused", **IDLE, **NONE), said.line, plain.last("530") if "530" in plain.log.read_text() else plain.last("AUTH"))
        words = ["curl", "-sS", "-v", "--user", "ftp:somebody@office.example", f"ftp://{server.ip}:2121/scan.txt"]
        base = client.next_port()
        client.use_ports(base, base + 3)
        text = run(client.enter(*words))
        lab.truth.add(client, server, 2121, in_clear("ftp", "not-requested", **WORK, **SECRET), pick(text, "< 230", "a scanned page"), plain.last("OK LOGIN"))


@scenario("http-connect.pcap", "Through an HTTP proxy: CONNECT granted, then TLS 1.2 and 1.3; CONNECT refused; the proxy's own connections behind it")
def http_connect(lab):
    network = lab.network()
    client, proxy, server = (network.host(name, address) for name, address in (
        ("client", "10.20.0.10/24"), ("proxy", "10.20.0.3/24"), ("server", "10.20.0.1/24")))
    lab.truth.uses("curl " + run(["curl", "--version"]).split()[1], tinyproxy.name(), nginx.name())
    web = lab.start(nginx.Nginx(server, lab.folder / "nginx", nginx.site(*lab.ca.issue("www.example"))))
    tunnel = lab.start(tinyproxy.server(proxy, lab.folder / "tinyproxy"))
    agent = "curl/" + run(["curl", "--version"]).split()[1]

    def curl(target_port, *options):
        port = client.next_port()
        text = run(client.enter("curl", "-sS", "-v", "-k", "-x", f"http://{proxy.ip}:3128", "--connect-to", f"www.example:443:{server.ip}:{target_port}", *options,
                                "https://www.example/"))
        said = Said(text=text, line=pick(text, "SSL connection using", "CONNECT tunnel", "curl: ("), port=port)
        found = re.search(r"SSL connection using (\S+) / (\S+)", text)
        if found:
            said.version, said.cipher = found[1], found[2]
        return said

    with lab.record():
        for option, version in (("--tls-max=1.2", "TLS 1.2"), ("--tls-max=1.3", "TLS 1.3")):
            seen = len(tunnel.lines)
            said = curl(443, *option.split("="))
            log = web.next_said()
            via = {"via": "http-connect", "via_target": f"{server.ip}:443", "client_name": agent}
            shared = {"sni": "www.example", "client_max_version": version}
            lab.truth.add(client, proxy, 3128, said.expect(**shared, **via, upgrade="upgraded", **IDLE, **NONE), said.line,
                          tunnel.wait_for("Request (file", after=seen).partition(": ")[2], said.port)
            lab.truth.add(proxy, server, 443, log.expect(**shared, via=None, upgrade=None), said.line, log.line, log.port)
        seen = len(tunnel.lines)
        said = curl(8443)
        lab.truth.add(client, proxy, 3128, {"via": "http-connect", "via_target": f"{server.ip}:8443", "client_name": agent, "upgrade": "refused", "carrier": None,
                                            "negotiated_version": None, **IDLE, **NONE}, said.line, tunnel.wait_for("Refused", after=seen).partition(": ")[2], said.port)
