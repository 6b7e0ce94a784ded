"""OpenLDAP's slapd and ldapsearch, in Debian on GnuTLS."""

import functools
import re
import subprocess

from ..process import Background, run
from ..said import Said, pick

CONFIG = """
include /etc/ldap/schema/core.schema
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
{tls}
database ldif
directory {folder}/data
suffix "dc=office,dc=example"
rootdn "cn=admin,dc=office,dc=example"
rootpw secret-of-the-test
"""
TLS = "TLSCertificateFile {cert}\nTLSCertificateKeyFile {key}\nTLSCipherSuite {priority}\n"


@functools.cache
def name():
    text = subprocess.run(["slapd", "-VV"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True).stderr
    return "OpenLDAP " + re.search(r"slapd ([\d.]+)", text)[1] + " on GnuTLS"


def server(host, folder, cert=None, key=None, port=389, implicit=None, priority="NORMAL:+VERS-TLS1.0:+VERS-TLS1.1"):
    (folder / "data").mkdir(parents=True)
    (folder / "slapd.conf").write_text(CONFIG.format(folder=folder, tls=TLS.format(cert=cert, key=key, priority=priority) if cert else ""))
    urls = f"ldap://0.0.0.0:{port}/" + (f" ldaps://0.0.0.0:{implicit}/" if implicit else "")
    return Background(host.enter("slapd", "-d", "256", "-f", folder / "slapd.conf", "-h", urls), ready="slapd starting")


def search(client, url, *options, versions=None, bind=True, base="dc=office,dc=example"):
    port = client.next_port()
    who = ["-D", "cn=admin,dc=office,dc=example", "-w", "secret-of-the-test"] if bind else []
    env = {"LDAPTLS_REQCERT": "never", "LDAPTLS_CIPHER_SUITE": versions or "NORMAL"}
    text = run(client.enter("ldapsearch", "-x", "-H", url, *who, "-b", base, "-s", "base", *options), env=env)
    return Said(text=text, line=pick(text, "ldap_", "result:", "additional info"), port=port)


def read(server, port):
    """What slapd's log says of the connection from the client's `port`."""
    accepted = server.wait_for(f":{port} ")
    number = re.search(r"conn=\d+", accepted)[0] + " "
    server.wait_for(number + "fd=", after=server.lines.index(accepted) + 1)
    lines = [re.sub(r"^\S+ 0x\w+ ", "", line) for line in server.lines if number in line]
    said = Said(text="\n".join(lines), line=" | ".join(line for line in lines if any(word in line for word in ("TLS", "BIND dn", "EXT", "RESULT oid"))), port=port)
    found = re.search(r"tls_proto=(\S+)", said.text)
    said.version = found[1] if found else None
    return said
