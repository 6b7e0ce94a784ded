"""Mail servers and tools as senders: their outcome has three ends, encrypted, in the clear, or not delivered."""

import os
import re
import shutil
import subprocess
import sys
import time

from lib.ends import postfix

from ..converse import converse
from ..servers.postfix import read_from
from . import Attempt, Client, pick

SMTP = frozenset({"smtp"})
HIDDEN = "whether it goes on in the clear where STARTTLS fails"

# user@TRANSPORT.ADDRESS.PORT.to.example: the recipient says which way the mail takes.
# As a filter, since transport_maps takes no parts of a pattern.
WAYS = r"/^[^@]+@([a-z0-9-]+)\.([0-9.]+)\.([0-9]+)\.to\.example$/  FILTER to-$1:[$2]:$3" + "\n"
POSTFIX = {  # transport: its settings, besides those of smtp(8)
    "may": ("Postfix, smtp_tls_security_level = may", {"smtp_tls_security_level": "may"}),
    "encrypt": ("Postfix, smtp_tls_security_level = encrypt", {"smtp_tls_security_level": "encrypt"}),
    "verify": ("Postfix, smtp_tls_security_level = verify", {"smtp_tls_security_level": "verify"}),
    "may-tls1.0": ("Postfix, may, TLS 1.0 alone", {"smtp_tls_security_level": "may", "smtp_tls_protocols": ">=TLSv1, <=TLSv1"}),
    "encrypt-tls1.0": ("Postfix, encrypt, TLS 1.0 alone", {"smtp_tls_security_level": "encrypt", "smtp_tls_mandatory_protocols": ">=TLSv1, <=TLSv1"}),
    "may-rsa-kx": ("Postfix, may, TLS 1.2 with TLS_RSA suites", {"smtp_tls_security_level": "may", "smtp_tls_protocols": ">=TLSv1, <=TLSv1.2", "tls_medium_cipherlist": "kRSA:@SECLEVEL=0"}),
    "encrypt-rsa-kx": ("Postfix, encrypt, TLS 1.2 with TLS_RSA suites",
                       {"smtp_tls_security_level": "encrypt", "smtp_tls_mandatory_protocols": ">=TLSv1, <=TLSv1.2", "tls_medium_cipherlist": "kRSA:@SECLEVEL=0"}),
    "verify-tls1.2": ("Postfix, verify, TLS 1.2 alone", {"smtp_tls_security_level": "verify", "smtp_tls_mandatory_protocols": ">=TLSv1.2, <=TLSv1.2"}),
}


class PostfixSender(postfix.Postfix):
    """One instance for all of Postfix' configurations, a transport each."""

    def __init__(self, lab):
        self.lab = lab
        folder = lab.folder / "postfix-senders"
        folder.mkdir(parents=True)
        (folder / "ways").write_text(WAYS)
        more = "\n".join(f"to-{name.replace('.', '-')} unix - - n - - smtp -o syslog_name=postfix/{name} " + " ".join(f"-o {{ {k} = {v} }}" for k, v in settings.items())
                         for name, (_, settings) in POSTFIX.items())
        super().__init__(lab.network.clients, folder, "sender.cutover.example", more=more, smtpd_recipient_restrictions=f"check_recipient_access regexp:{folder}/ways, permit_mynetworks, reject", smtp_tls_CAfile=lab.authority.pem,
                         smtp_tls_servername=lab.name, smtp_tls_verify_cert_match=lab.name, smtp_tls_secure_cert_match=lab.name, smtp_tls_loglevel="1",
                         # Where STARTTLS fails, "may" goes on in the clear once the mail is as old as this; by default after five minutes.
                         minimal_backoff_time="1s", maximal_backoff_time="2s", queue_run_delay="1s", 
                         smtp_helo_timeout="8s", smtp_starttls_timeout="8s", smtp_connection_cache_on_demand="no", smtp_destination_recipient_limit="1")

    def deliver(self, transport, target):
        to = f"desk@{transport.replace('.', '-')}.{target.address}.{target.port}.to.example"
        mark = self.log.stat().st_size
        _, text = converse(self.lab.network.clients.enter(sys.executable, self.lab.programs / "inject.py", to), until=None)
        queued = re.search(r"queued as (\w+)", text)
        if not queued:
            return Attempt("failed", "not queued: " + text[-200:])
        number = queued[1]
        own = re.compile(rf"{number}: to=<\S+>, .*status=(\w+)")
        end = time.monotonic() + 8

        def status():
            return [m[1] for line in read_from(self.log, mark) if (m := own.search(line))]

        # A deferral is not the end: "may" comes again, and then without TLS. Two in a row are taken for its last word.
        self.lab.until(lambda: "sent" in status() or "bounced" in status() or len(status()) >= 3, end - time.monotonic())
        mine = [line for line in read_from(self.log, mark) if number + ":" in line or f"[{target.address}]:{target.port}" in line]
        said = " | ".join(re.sub(r"^\w+ +\d+ [\d:]+ \S+ ", "", line) for line in mine if "TLS" in line or "status=" in line)
        subprocess.run(["postsuper", "-c", str(self.config), "-d", number], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if "sent" not in status():
            return Attempt("failed", said[-500:])
        # The TLS line of the attempt that delivered, if any, stands just before it.
        encrypted = any("TLS connection established to" in line for line in mine) and not any("Cannot start TLS" in line for line in mine)
        return Attempt("encrypted" if encrypted else "cleartext", said[-500:])

    @property
    def config(self):
        return self.lab.folder / "postfix-senders" / "etc"


def by_postfix(transport):
    def attempt(lab, target):
        return lab.postfix_sender.deliver(transport, target)
    return attempt


EXIM = """
primary_hostname = exim.cutover.example
spool_directory = {folder}/spool
log_file_path = {folder}/log-%slog
exim_path = {exim}
exim_user = {user}
exim_group = {group}
never_users =
trusted_users = root
tls_advertise_hosts =
daemon_smtp_ports = 26
acl_smtp_rcpt = accept
keep_environment =
begin routers
out:
  driver = manualroute
  route_list = * "{address}::{port}" byname
  self = send
  host_find_failed = fail
  transport = remote
begin transports
remote:
  driver = smtp
  hosts_try_fastopen =
  hosts_try_dane =
  tls_sni = {name}
  tls_verify_certificates = {ca}
  tls_verify_cert_hostnames =
  command_timeout = 8s
  {more}
begin retry
* * F,1h,1h
"""
EXIM_CONFIGURATIONS = {
    "may": ("Exim as it is: STARTTLS if it works, else in the clear", "tls_try_verify_hosts ="),
    "encrypt": ("Exim, hosts_require_tls", "hosts_require_tls = *\n  tls_try_verify_hosts ="),
    "verify": ("Exim, tls_verify_hosts", "hosts_require_tls = *\n  tls_verify_hosts = *"),
    "may-tls1.0": ("Exim, may, TLS 1.0 alone", 'tls_try_verify_hosts =\n  tls_require_ciphers = NORMAL:-VERS-ALL:+VERS-TLS1.0:%COMPAT'),
    "encrypt-rsa-kx": ("Exim, hosts_require_tls, TLS 1.2 with TLS_RSA suites",
                       'hosts_require_tls = *\n  tls_try_verify_hosts =\n  tls_require_ciphers = NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA'),
    "may-rsa-kx": ("Exim, may, TLS 1.2 with TLS_RSA suites", 'tls_try_verify_hosts =\n  tls_require_ciphers = NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA'),
}


def by_exim(more):
    def attempt(lab, target):
        folder = lab.folder / f"exim-{target.address}-{target.port}"
        folder.mkdir()
        uid, gid = lab.tools.exim_user
        os.chown(folder, uid, gid)
        config = folder / "exim.conf"
        config.write_text(EXIM.format(folder=folder, exim=lab.tools.exim, user=uid, group=gid, address=target.address, port=target.port, name=target.name, ca=lab.authority.pem, more=more))
        words = [lab.tools.exim, "-C", config, "-odf", "-oi", "-f", "sender@cutover.example", "desk@partner.example"]
        converse(lab.network.clients.enter(*words), "Subject: order 4711\n\nPlease find our order.\n", until=None, close=True)
        text = log(folder, "=>", "==", "**")
        shutil.rmtree(folder, ignore_errors=True)
        if "=>" not in text:
            return Attempt("failed", text)
        return Attempt("encrypted" if " X=" in text else "cleartext", text)
    return attempt


def log(folder, *needles, seconds=12):
    """The log's lines of a delivery, once there is one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        path = folder / "log-mainlog"
        text = path.read_text(errors="replace") if path.exists() else ""
        if any(f" {n} " in text for n in needles):
            break
        time.sleep(0.1)
    panic = folder / "log-paniclog"
    lines = text.splitlines() + (panic.read_text(errors="replace").splitlines() if panic.exists() else [])
    return " | ".join(line[20:] for line in lines if not any(w in line for w in ("<=", "Completed", "lost privilege")))[:500]


def by_swaks(*options):
    def attempt(lab, target):
        words = ["swaks", "--server", target.address, "--port", target.port, "--from", "swaks@cutover.example", "--to", "desk@partner.example", "--helo", "swaks.cutover.example",
                 "--timeout", "8", "--tls-sni", target.name, *options]
        code, text = converse(lab.network.clients.enter(*words), until=None)
        if code != 0 or not re.search(r"^<[~-] +250 .*(queued|OK id=)", text, re.M):
            return Attempt("failed", pick(text, "***", "TLS", " 5"))
        return Attempt("encrypted" if "=== TLS started with cipher" in text else "cleartext", pick(text, "***", "=== TLS", "queued"))
    return attempt


CLIENTS = [
    *(Client(f"postfix-{name}", "OpenSSL (Postfix)", what, SMTP, by_postfix(name), HIDDEN, reduced=name in ("may", "encrypt", "may-tls1.0", "encrypt-rsa-kx")) for name, (what, _) in POSTFIX.items()),
    *(Client(f"exim-{name}", "GnuTLS (Exim)", what, SMTP, by_exim(more), HIDDEN, reduced=name in ("may", "may-tls1.0", "encrypt-rsa-kx")) for name, (what, more) in EXIM_CONFIGURATIONS.items()),
    Client("swaks-tls", "OpenSSL (swaks)", "--tls", SMTP, by_swaks("--tls"), HIDDEN, reduced=True),
    Client("swaks-optional-strict", "OpenSSL (swaks)", "--tls-optional-strict", SMTP, by_swaks("--tls-optional-strict"), HIDDEN),
    Client("swaks-tls1.1", "OpenSSL (swaks)", "--tls, TLS 1.1 alone", SMTP, by_swaks("--tls", "--tls-protocol", "tlsv1_1", "--tls-cipher", "DEFAULT:@SECLEVEL=0"), HIDDEN),
    Client("swaks-optional-tls1.1", "OpenSSL (swaks)", "--tls-optional, TLS 1.1 alone", SMTP, by_swaks("--tls-optional", "--tls-protocol", "tlsv1_1", "--tls-cipher", "DEFAULT:@SECLEVEL=0"), HIDDEN),
]


def by_msmtp(*options):
    def attempt(lab, target):
        words = ["msmtp", "-C", "/dev/null", f"--host={target.name}", f"--port={target.port}", "--from=msmtp@cutover.example", "--domain=msmtp.cutover.example", "--timeout=8", "--auth=off",
                 *(o.replace("AUTHORITY", str(lab.authority.pem)) for o in options), "-d", "desk@partner.example"]
        code, text = converse(lab.with_hosts(target, words), "Subject: order 4711\n\nPlease find our order.\n", until=None, close=True)
        if code != 0:
            return Attempt("failed", pick(text, "msmtp:"))
        return Attempt("encrypted" if "STARTTLS" in text and "--tls=on" in options else "cleartext", pick(text, "<-- 250 2.0.0", "msmtp:"))
    return attempt


MSMTP = [
    Client("msmtp-tls", "GnuTLS (msmtp)", "TLS required, any certificate", SMTP, by_msmtp("--tls=on", "--tls-starttls=on", "--tls-certcheck=off"), HIDDEN, reduced=True),
    Client("msmtp-verify", "GnuTLS (msmtp)", "TLS required and verified", SMTP, by_msmtp("--tls=on", "--tls-starttls=on", "--tls-trust-file=AUTHORITY"), HIDDEN),
    Client("msmtp-rsa-kx", "GnuTLS (msmtp)", "TLS required, TLS 1.2 with TLS_RSA suites", SMTP,
           by_msmtp("--tls=on", "--tls-starttls=on", "--tls-certcheck=off", "--tls-priorities=NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA"), HIDDEN),
]
