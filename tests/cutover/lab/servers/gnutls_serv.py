"""GnuTLS' gnutls-serv, one process for each policy."""

import functools
import re
import subprocess

from lib.process import Background

from ..converse import PAGE
from ..gnutls import Settings
from ..openssl_policies import P256, P384, RSA
from . import certificates

NAME, SERVICE = "gnutls-serv", "https"
ONE_AT_A_TIME = True
ALL = "NORMAL:+VERS-TLS1.0:+VERS-TLS1.1:%VERIFY_ALLOW_SIGN_WITH_SHA1"
FROM_12 = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
ONLY_12 = "NORMAL:-VERS-ALL:+VERS-TLS1.2"
LENIENT = Settings(ALL)
POLICIES = [
    ("min-1.2", "TLS 1.2 and later", Settings(FROM_12)),
    ("ecdhe", "TLS 1.2 and later with ECDHE only", Settings(FROM_12 + ":-KX-ALL:+ECDHE-RSA:+ECDHE-ECDSA")),
    ("only-1.3", "TLS 1.3 only", Settings("NORMAL:-VERS-ALL:+VERS-TLS1.3")),
    ("only-1.2-rsa", "TLS 1.2 alone, RSA certificate", Settings(ONLY_12, keys=RSA)),
    ("p256", "P-256 only", Settings(FROM_12 + ":-KX-ALL:+ECDHE-RSA:+ECDHE-ECDSA:-GROUP-ALL:+GROUP-SECP256R1", keys=RSA)),
    ("ecdsa-p256", "ECDSA certificate on P-256", Settings(ALL, keys=P256)),
    ("ecdsa-p384", "ECDSA certificate on P-384", Settings(FROM_12, keys=P384)),
    ("etm-required", "TLS 1.2 with CBC, encrypt_then_mac required",
     Settings(ONLY_12 + ":-CIPHER-ALL:+AES-128-CBC:+AES-256-CBC:%FORCE_ETM", keys=RSA, encrypt_then_mac="required")),
    ("cbc", "TLS 1.2 with CBC only", Settings(ONLY_12 + ":-CIPHER-ALL:+AES-128-CBC:+AES-256-CBC", keys=RSA)),
    ("dhe-only", "TLS 1.2 with DHE only", Settings(ONLY_12 + ":-KX-ALL:+DHE-RSA", keys=RSA)),
    ("dhe-3072", "TLS 1.2 with DHE only, ffdhe3072", Settings(ONLY_12 + ":-KX-ALL:+DHE-RSA:-GROUP-ALL:+GROUP-FFDHE3072", keys=RSA)),
    ("pss-sha256", "signatures RSA-PSS with SHA-256 only", Settings(FROM_12 + ":-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256", keys=RSA)),
    ("pkcs1-sha256", "TLS 1.2 with signatures RSA PKCS #1 with SHA-256 only", Settings(ONLY_12 + ":-SIGN-ALL:+SIGN-RSA-SHA256", keys=RSA)),
    ("secure256", "SECURE256", Settings("SECURE256:%SERVER_PRECEDENCE", keys=RSA)),
    ("pfs", "PFS", Settings("PFS", keys=RSA)),
]


@functools.cache
def version():
    return "GnuTLS " + subprocess.run(["gnutls-serv", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[1]


class Servers:
    def __init__(self, lab, deployments):
        self.lab, self.processes = lab, {}
        page = lab.folder / "gnutls-page.html"
        page.write_text(PAGE + "\n")
        for d in deployments:
            words = ["gnutls-serv", "-p", d.port, "--http", "--httpdata", page, "--noticket", "--nodb", "--disable-client-cert", "--priority", d.settings.priority]
            for certificate, key in certificates(lab, d.settings.keys):
                words += ["--x509certfile", certificate, "--x509keyfile", key]
            self.processes[d.policy] = Background(lab.network.servers.enter("stdbuf", "-oL", *words), ready="listening on IPv4")

    def __enter__(self):
        for process in self.processes.values():
            process.__enter__()
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.stop()

    def before(self, deployment):
        return len(self.processes[deployment.policy].lines)

    def after(self, deployment, client_address, mark):
        process = self.processes[deployment.policy]
        self.lab.until(lambda: any("Error" in line or "- Description:" in line for line in process.lines[mark:]), 0.5)
        lines = [line.strip() for line in process.lines[mark:] if line.strip()]
        if not lines:
            return None, ""
        # It describes a session once the client's Finished has come.
        done = any("- Description:" in line for line in lines) and not any("Error in handshake" in line for line in lines)
        words = [line for line in lines if re.search(r"Error|alert|Description", line)]
        return "completed" if done else "failed", " | ".join(words or lines)[:400]
