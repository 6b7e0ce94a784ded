"""OpenSSL's s_client, and curl, which is built on it."""

import functools
import subprocess

from ..converse import PAGE, PATH, REQUEST, converse
from . import Attempt, Client, pick

OLD = ("-cipher", "DEFAULT:@SECLEVEL=0")
NO_EMS = """openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = choice
[choice]
Options = -ExtendedMasterSecret
"""


@functools.cache
def stack():
    return subprocess.run(["openssl", "version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split("(")[0].strip().rsplit(" ", 3)[0]


def s_client(*options, sni=True, env=None):
    def attempt(lab, target):
        words = ["openssl", "s_client", "-connect", f"{target.address}:{target.port}", "-ign_eof", *options]
        words += ["-servername", target.name] if sni else ["-noservername"]
        said = REQUEST
        if target.service != "https":
            words += ["-starttls", target.service, "-crlf"]
            said = {"smtp": "NOOP\nQUIT\n", "imap": "a NOOP\nb LOGOUT\n"}[target.service]
        _, text = converse(lab.network.clients.enter(*words), said, until=done(target), env=env(lab) if env else None)
        ok = done(target) in text and "Cipher is (NONE)" not in text
        return Attempt("encrypted" if ok else "failed", pick(text, "Cipher is", "alert", "error:", "errno", "SSL_CONF"))
    return attempt


def done(target):
    """What the server says only where the session inside TLS has come to its work."""
    return {"https": PAGE, "smtp": "221 2.0.0", "imap": "Logging out"}[target.service]


def curl(*options, sni=True):
    def attempt(lab, target):
        where = f"{target.name}:{target.port}"
        # Without a name: a literal address has none to send.
        url = f"https://{where}{PATH}" if sni else f"https://{target.address}:{target.port}{PATH}"
        if target.service == "imap":
            url = f"imap://{where}/"
            options_ = [*options, "--ssl-reqd", "-X", "NOOP"]
        elif target.service == "smtp":
            url = f"smtp://{where}/client.cutover.example"
            options_ = [*options, "--ssl-reqd", "-X", "NOOP"]
        else:
            options_ = options
        code, text = converse(lab.network.clients.enter("curl", "-sS", "-v", "-k", "--http1.1", "--max-time", "8", "--connect-to", f"{where}:{target.address}:{target.port}",
                                                        *options_, url))
        ok = PAGE in text if target.service == "https" else code in (0, 8) and "SSL connection using" in text
        return Attempt("encrypted" if ok else "failed", pick(text, "curl: (", "SSL connection using"))
    return attempt


def no_ems(lab):
    path = lab.folder / "no-ems.cnf"
    if not path.exists():
        path.write_text(NO_EMS)
    return {"OPENSSL_CONF": str(path)}


ALL = frozenset({"https", "smtp", "imap"})
HTTPS = frozenset({"https"})


def client(name, what, *options, services=HTTPS, hidden="", reduced=False, **more):
    return Client(f"openssl-{name}", stack(), what, services, s_client(*options, **more), hidden, reduced)


OFFERS_OLD_REFUSES = "its security level refuses TLS 1.0 and 1.1, and keys and signatures below it, whatever it lists"
CLIENTS = [
    client("default", "as it is", services=ALL, hidden=OFFERS_OLD_REFUSES, reduced=True),
    client("tls1.0", "TLS 1.0 alone", "-tls1", *OLD, services=ALL, reduced=True),
    client("tls1.1", "TLS 1.1 alone", "-tls1_1", *OLD),
    client("tls1.0-1.1", "TLS 1.0 and 1.1", "-min_protocol", "TLSv1", "-max_protocol", "TLSv1.1", *OLD),
    client("tls1.2", "TLS 1.2 alone", "-tls1_2", services=ALL, reduced=True, hidden="a minimum of TLS 1.2, which the hello of a TLS 1.2 client does not tell"),
    client("tls1.3", "TLS 1.3 alone", "-tls1_3", services=ALL, reduced=True),
    client("tls1.0-1.2", "TLS 1.0 to 1.2", "-min_protocol", "TLSv1", "-max_protocol", "TLSv1.2", *OLD),
    client("tls1.0-1.3", "TLS 1.0 to 1.3", "-min_protocol", "TLSv1", *OLD, reduced=True),
    client("rsa-kx", "TLS 1.2 with TLS_RSA suites only", "-tls1_2", "-cipher", "kRSA", services=ALL, reduced=True),
    client("rsa-kx-cbc", "TLS 1.0 to 1.2 with TLS_RSA and CBC-SHA only: a printer", "-min_protocol", "TLSv1", "-max_protocol", "TLSv1.2", "-cipher", "AES256-SHA:AES128-SHA:@SECLEVEL=0", services=ALL),
    client("ecdhe-cbc", "TLS 1.2 with ECDHE and CBC-SHA only", "-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA"),
    client("dhe", "TLS 1.2 with DHE only", "-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-SHA"),
    client("chacha", "ChaCha20-Poly1305 only", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-CHACHA20-POLY1305", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"),
    client("aes128-gcm", "AES-128-GCM only", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256", "-ciphersuites", "TLS_AES_128_GCM_SHA256"),
    client("ecdsa-only", "TLS 1.2 with ECDSA suites only", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"),
    client("p256", "P-256 alone", "-groups", "P-256", reduced=True),
    client("p384", "P-384 alone", "-groups", "P-384"),
    client("p521", "P-521 alone", "-groups", "P-521"),
    client("x25519", "x25519 alone", "-groups", "X25519", reduced=True),
    client("x448", "x448 alone", "-groups", "X448"),
    client("x25519-1.2", "TLS 1.2, x25519 alone", "-tls1_2", "-groups", "X25519"),
    client("p384-1.2", "TLS 1.2, P-384 alone", "-tls1_2", "-groups", "P-384", reduced=True),
    client("ffdhe-1.3", "TLS 1.3, ffdhe2048 alone", "-tls1_3", "-groups", "ffdhe2048"),
    client("brainpool-1.2", "TLS 1.2, brainpoolP256r1 alone", "-tls1_2", "-groups", "brainpoolP256r1"),
    client("retry", "share for x25519, P-384 listed too", "-groups", "X25519:P-384"),
    client("sig-pkcs1-sha256", "TLS 1.2, RSA PKCS #1 with SHA-256 alone", "-tls1_2", "-sigalgs", "RSA+SHA256", reduced=True),
    client("sig-pkcs1-sha1", "TLS 1.2, SHA-1 signatures alone", "-tls1_2", "-sigalgs", "RSA+SHA1:ECDSA+SHA1", "-cipher", "DEFAULT:@SECLEVEL=0"),
    client("sig-pss", "RSA-PSS with SHA-256 alone", "-sigalgs", "rsa_pss_rsae_sha256"),
    client("sig-pss-sha512", "RSA-PSS with SHA-512 alone", "-sigalgs", "rsa_pss_rsae_sha512"),
    client("sig-ecdsa-p256", "ECDSA on P-256 with SHA-256 alone", "-sigalgs", "ecdsa_secp256r1_sha256"),
    client("sig-ecdsa-p384", "ECDSA on P-384 with SHA-384 alone", "-sigalgs", "ecdsa_secp384r1_sha384"),
    client("seclevel3", "security level 3", "-cipher", "DEFAULT:@SECLEVEL=3", hidden="its security level refuses RSA keys below 3072 bits"),
    client("no-name", "without server_name", sni=False, reduced=True),
    client("no-etm", "TLS 1.2 without encrypt_then_mac", "-tls1_2", "-no_etm"),
    client("no-ems", "TLS 1.2 without extended_master_secret", "-tls1_2", env=no_ems),
    client("scsv", "TLS 1.1 with TLS_FALLBACK_SCSV: the last step of a dance", "-min_protocol", "TLSv1", "-max_protocol", "TLSv1.1", "-fallback_scsv", *OLD),
    Client("curl-default", "OpenSSL 3.0 (curl)", "as it is", ALL, curl(), reduced=True),
    Client("curl-max-1.2", "OpenSSL 3.0 (curl)", "TLS 1.2 at most", ALL, curl("--tls-max", "1.2")),
    Client("curl-tls1.0", "OpenSSL 3.0 (curl)", "TLS 1.0 alone", HTTPS, curl("--tlsv1.0", "--tls-max", "1.0", "--ciphers", "DEFAULT:@SECLEVEL=0")),
    Client("curl-rsa-kx", "OpenSSL 3.0 (curl)", "TLS 1.2 with TLS_RSA suites", HTTPS, curl("--tls-max", "1.2", "--ciphers", "AES128-SHA:AES256-SHA:AES128-GCM-SHA256")),
    Client("curl-p384", "OpenSSL 3.0 (curl)", "P-384 alone", HTTPS, curl("--curves", "P-384")),
    Client("curl-no-name", "OpenSSL 3.0 (curl)", "to an address, so without server_name", HTTPS, curl(sni=False)),
]
