"""GnuTLS' gnutls-cli with priority strings, and wget, which Debian builds on GnuTLS."""

import functools
import subprocess

from ..converse import PAGE, PATH, REQUEST, converse
from . import Attempt, Client, pick
from .openssl import ALL, HTTPS, done


@functools.cache
def stack():
    return "GnuTLS " + subprocess.run(["gnutls-cli", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[1]


def gnutls_cli(priority, sni=True):
    def attempt(lab, target):
        words = ["gnutls-cli", target.address, "-p", target.port, "--insecure", "--priority", priority]
        words += ["--sni-hostname", target.name, "--verify-hostname", target.name] if sni else ["--disable-sni"]
        said = REQUEST
        if target.service != "https":
            words += ["--starttls-proto", target.service, "--crlf"]
            said = {"smtp": "QUIT\n", "imap": "a LOGOUT\n"}[target.service]  # It hands on one line and keeps the next back.
        _, text = converse(lab.network.clients.enter(*words), said, until=done(target))
        return Attempt("encrypted" if done(target) in text else "failed", pick(text, "*** Fatal", "Received alert", "- Description:", "- Options"))
    return attempt


def wget(*options, sni=True):
    def attempt(lab, target):
        host = target.name if sni else target.address
        # wget has no option for the address; a hosts file of its own has.
        words = lab.with_hosts(target, ["wget", "-S", "-O", "-", "--no-check-certificate", "--tries=1", "--timeout=8", *options, f"https://{host}:{target.port}{PATH}"])
        _, text = converse(words)
        return Attempt("encrypted" if PAGE in text else "failed", pick(text, "GnuTLS:", "HTTP/1", "Unable"))
    return attempt


def client(name, what, priority, services=HTTPS, hidden="", reduced=False, **more):
    return Client(f"gnutls-{name}", stack(), what, services, gnutls_cli(priority, **more), hidden, reduced)


# Debian's GnuTLS has TLS 1.0 and 1.1 switched off unless they are asked for.
CLIENTS = [
    client("default", "as it is", "NORMAL", services=ALL, reduced=True),
    client("tls1.0", "TLS 1.0 alone", "NORMAL:-VERS-ALL:+VERS-TLS1.0:%COMPAT", services=ALL, reduced=True),
    client("tls1.1", "TLS 1.1 alone", "NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT"),
    client("tls1.2", "TLS 1.2 alone", "NORMAL:-VERS-ALL:+VERS-TLS1.2", services=ALL, reduced=True),
    client("tls1.3", "TLS 1.3 alone", "NORMAL:-VERS-ALL:+VERS-TLS1.3"),
    client("tls1.0-1.3", "TLS 1.0 to 1.3", "NORMAL:+VERS-TLS1.0:+VERS-TLS1.1"),
    client("rsa-kx", "TLS 1.2 with TLS_RSA suites", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA", services=ALL, reduced=True),
    client("dhe", "TLS 1.2 with DHE only", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA"),
    client("dhe-no-ffdhe", "TLS 1.2 with DHE only, no ffdhe groups listed", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA:-GROUP-FFDHE2048:-GROUP-FFDHE3072:-GROUP-FFDHE4096:-GROUP-FFDHE6144:-GROUP-FFDHE8192"),
    client("dhe-8192", "TLS 1.2 with DHE only, ffdhe8192 alone", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA:-GROUP-ALL:+GROUP-FFDHE8192", hidden="a least size of the group, where a server chooses one of its own"),
    client("cbc", "TLS 1.2 with CBC only", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC:+AES-256-CBC"),
    client("cbc-no-etm", "TLS 1.2 with CBC only, without encrypt_then_mac", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC:+AES-256-CBC:%NO_ETM"),
    client("p384", "P-384 alone", "NORMAL:-GROUP-ALL:+GROUP-SECP384R1"),
    client("x25519-1.2", "TLS 1.2, x25519 alone", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-GROUP-ALL:+GROUP-X25519"),
    client("p256-1.2", "TLS 1.2, P-256 alone", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-GROUP-ALL:+GROUP-SECP256R1"),
    client("sig-sha1", "TLS 1.2, SHA-1 signatures alone", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-SIGN-ALL:+SIGN-RSA-SHA1:+SIGN-ECDSA-SHA1:%VERIFY_ALLOW_SIGN_WITH_SHA1"),
    client("sig-pkcs1-sha256", "TLS 1.2, RSA PKCS #1 with SHA-256 alone", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-SIGN-ALL:+SIGN-RSA-SHA256"),
    client("sig-pss-sha384", "RSA-PSS with SHA-384 alone", "NORMAL:-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA384"),
    client("no-extensions", "TLS 1.2 without any extension", "NORMAL:-VERS-ALL:+VERS-TLS1.2:%NO_EXTENSIONS", reduced=True),
    client("no-ems", "TLS 1.2 without extended_master_secret", "NORMAL:-VERS-ALL:+VERS-TLS1.2:%NO_SESSION_HASH"),
    client("secure256", "SECURE256", "SECURE256"),
    client("pfs", "PFS", "PFS"),
    client("no-name", "without server_name", "NORMAL", sni=False),
    Client("wget-default", "GnuTLS (wget)", "as it is", HTTPS, wget(), reduced=True),
    Client("wget-1.2", "GnuTLS (wget)", "--secure-protocol=TLSv1_2", HTTPS, wget("--secure-protocol=TLSv1_2")),
    Client("wget-pfs", "GnuTLS (wget)", "--secure-protocol=PFS", HTTPS, wget("--secure-protocol=PFS")),
    Client("wget-tls1.1", "GnuTLS (wget)", "TLS 1.1 at most", HTTPS, wget("--ciphers=NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:%COMPAT")),
]
