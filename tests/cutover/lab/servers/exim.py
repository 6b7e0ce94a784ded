"""Exim as a server of mail, on GnuTLS; a daemon for each policy."""

import os
import re
from dataclasses import dataclass

from lib.process import Background

from .. import gnutls
from ..openssl_policies import P256, RSA
from . import certificates
from .gnutls_serv import version  # noqa: F401
from .postfix import read_from

NAME, SERVICE = "exim", "smtp"
ONE_AT_A_TIME = False
FROM_12 = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"


@dataclass(frozen=True)
class Settings(gnutls.Settings):
    cleartext: str | None = None

    def accepts(self):
        return super().accepts().but(cleartext=self.cleartext)


LENIENT = Settings("NORMAL:+VERS-TLS1.0:+VERS-TLS1.1:%VERIFY_ALLOW_SIGN_WITH_SHA1")
POLICIES = [
    ("min-1.2", "TLS 1.2 and later", Settings(FROM_12)),
    ("only-1.3", "TLS 1.3 only", Settings("NORMAL:-VERS-ALL:+VERS-TLS1.3", keys=RSA)),
    ("p256", "P-256 only", Settings(FROM_12 + ":-KX-ALL:+ECDHE-RSA:+ECDHE-ECDSA:-GROUP-ALL:+GROUP-SECP256R1", keys=RSA)),
    ("ecdsa-p256", "ECDSA certificate on P-256", Settings(FROM_12, keys=P256)),
    ("min-1.2-insist", "TLS 1.2 and later, no mail in the clear", Settings(FROM_12, keys=RSA, cleartext="refused")),
]
CONFIG = """
primary_hostname = mail.cutover.example
spool_directory = {folder}/spool
log_file_path = {folder}/log-%slog
exim_user = {user}
exim_group = {group}
never_users =
trusted_users = root
keep_environment =
log_selector = +smtp_no_mail +smtp_protocol_error +tls_cipher +incoming_port +smtp_connection
tls_advertise_hosts = *
tls_certificate = {certificates}
tls_privatekey = {keys}
tls_require_ciphers = {priority}
hosts_require_helo =
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 200
daemon_smtp_ports = {port}
local_interfaces = 0.0.0.0
acl_smtp_mail = {mail}
acl_smtp_rcpt = accept
acl_smtp_quit = quit
queue_only = true
begin acl
quit:
  # As Postfix says it.
  accept
    message = 2.0.0 Bye
encrypted:
  deny
    message = Must issue a STARTTLS command first
    !encrypted = *
  accept
begin routers
none:
  driver = redirect
  data = :blackhole:
"""


class Servers:
    def __init__(self, lab, deployments):
        self.lab, self.processes = lab, {}
        uid, gid = lab.tools.exim_user
        for d in deployments:
            folder = self._folder(d)
            folder.mkdir()
            os.chown(folder, uid, gid)
            files = certificates(lab, d.settings.keys)
            config = folder / "exim.conf"
            config.write_text(CONFIG.format(folder=folder, user=uid, group=gid, port=d.port, certificates=" : ".join(str(c) for c, _ in files), keys=" : ".join(str(k) for _, k in files),
                                            priority=d.settings.priority, mail="encrypted" if d.settings.cleartext == "refused" else "accept"))
            self.processes[d.policy] = Background(lab.network.servers.enter(lab.tools.exim, "-bdf", "-C", config))

    def _folder(self, deployment):
        return self.lab.folder / f"exim-server-{deployment.policy}"

    def __enter__(self):
        for process in self.processes.values():
            process.__enter__()
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.stop()

    def before(self, deployment):
        log = self._folder(deployment) / "log-mainlog"
        return log.stat().st_size if log.exists() else 0

    def after(self, deployment, client_address, mark=0):
        log = self._folder(deployment) / "log-mainlog"

        def found():
            return [line[20:] for line in read_from(log, mark) if f"[{client_address}]" in line] if log.exists() else []

        self.lab.until(lambda: any(" closed by " in line or " lost" in line or "no MAIL" in line for line in found()), 2)
        lines = found()
        if not lines:
            return None, ""
        said = " | ".join(line for line in lines if "SMTP connection from" not in line or "closed" in line)[:400]
        mails = [line for line in lines if " <= " in line]
        if any(" X=" in line for line in mails) or any("no MAIL" in line and " X=" in line and re.search(r"C=\S*(NOOP|QUIT)", line) for line in lines):
            return "completed", said
        return ("cleartext" if mails else "failed"), said
