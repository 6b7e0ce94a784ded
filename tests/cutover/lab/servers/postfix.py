"""Postfix' smtpd: one instance, one service in master.cf for each policy, told apart in the log by its name."""

import functools
import re
from dataclasses import replace

from lib.ends import postfix

from ..openssl_policies import COMMON, LENIENT, RSA, INTERMEDIATE
from ..openssl import Settings
from . import certificates

NAME, SERVICE = "postfix", "smtp"
ONE_AT_A_TIME = False
# Postfix 3.7 sets the groups itself (tls_eecdh_auto_curves), without those of RFC 7919.
GROUPS = ("x25519", "x448", "secp256r1", "secp521r1", "secp384r1")
PREFERENCE = {"x25519": "X25519", "x448": "X448", "secp256r1": "prime256v1", "secp521r1": "secp521r1", "secp384r1": "secp384r1"}


def adapted(settings):
    return replace(settings, groups=settings.groups or GROUPS)


LENIENT = adapted(LENIENT)
POLICIES = [(name, what, adapted(s)) for name, what, s in COMMON + [
    ("max-1.2", "TLS 1.2 at most", Settings(most="TLS 1.2")),
    ("ecdsa-p256", "ECDSA certificate on P-256", Settings(keys=("ECDSA P-256",))),
    ("min-1.2-insist", "TLS 1.2 and later, no mail in the clear", Settings(least="TLS 1.2", keys=RSA, cleartext="refused")),
    ("only-1.3-insist", "TLS 1.3 only, no mail in the clear", Settings(least="TLS 1.3", keys=RSA, cleartext="refused")),
    ("intermediate-insist", "Mozilla's intermediate suites, no mail in the clear", Settings(least="TLS 1.2", ciphers=INTERMEDIATE, groups=("secp256r1", "secp384r1"), keys=RSA, cleartext="refused")),
]]


@functools.cache
def version():
    return postfix.name()


def read_from(log, mark):
    """The lines of the file from the byte `mark` on; the whole of it would be read again and again."""
    with log.open("rb") as file:
        file.seek(mark)
        return file.read().decode("utf-8", "replace").splitlines()


class Servers(postfix.Postfix):
    def __init__(self, lab, deployments):
        self.lab = lab
        services = "\n".join(self._service(lab, d) for d in deployments)
        super().__init__(lab.network.servers, lab.folder / "postfix-servers", "mail.cutover.example", more=services, smtpd_tls_loglevel="1",
                         smtpd_tls_dh1024_param_file=lab.dh_parameters, smtpd_client_connection_count_limit="0", smtpd_client_connection_rate_limit="0")

    @staticmethod
    def _service(lab, d):
        s = d.settings
        files = ",".join(f"{key},{certificate}" for certificate, key in certificates(lab, s.keys))
        protocols = f">={s.openssl_versions()[0]},<={s.openssl_versions()[-1]}"
        options = {"syslog_name": f"postfix/{d.policy}", "smtpd_tls_security_level": "encrypt" if s.cleartext == "refused" else "may",
                   "smtpd_tls_chain_files": files, "smtpd_tls_protocols": protocols, "smtpd_tls_mandatory_protocols": protocols,
                   "tls_medium_cipherlist": s.ciphers, "tls_eecdh_auto_curves": " ".join(PREFERENCE[g] for g in s.groups),
                   "tls_preempt_cipherlist": "yes" if s.order == "server" else "no"}
        # A value with spaces stands in braces.
        return f"{d.port} inet n - n - - smtpd " + " ".join(f"-o {{ {key} = {value} }}" for key, value in options.items())

    def before(self, deployment):
        return self.log.stat().st_size

    def after(self, deployment, client_address, mark=0):
        """Told by the words with which smtpd takes leave: "disconnect from unknown[…] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7"."""
        mine = re.compile(rf"postfix/{re.escape(deployment.policy)}/smtpd\[\d+\]: (.*\[{re.escape(client_address)}\].*)")

        def found():
            return [m[1] for line in read_from(self.log, mark) if (m := mine.search(line))]

        self.lab.until(lambda: any("disconnect from" in line for line in found()), 2)
        lines = found()
        if not lines:
            return None, ""
        said = " | ".join(line for line in lines if "SSL_accept error" in line or "TLS connection established" in line or "disconnect" in line)[:400]
        leaves = [line for line in lines if "disconnect from" in line]
        if any(" starttls=1" in line and re.search(r" (data|bdat|noop|quit)=1", line) for line in leaves):
            return "completed", said
        if any(re.search(r" (data|bdat)=1", line) for line in leaves):
            return "cleartext", said
        return "failed", said
