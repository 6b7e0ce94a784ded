"""Exim, in Debian on GnuTLS, each instance with a configuration and a queue of its own in the capture's folder."""

import functools
import os
import pwd
import re
import subprocess
import time

from ..process import Background, run
from ..said import Said
from ..tools import UNPACKED

PROGRAM = UNPACKED / "usr" / "sbin" / "exim4"
ANY = "NORMAL:+VERS-TLS1.0:+VERS-TLS1.1"
CONFIG = """
primary_hostname = {hostname}
exim_path = {program}
keep_environment =
daemon_smtp_ports = {ports}
local_interfaces = 0.0.0.0
spool_directory = {folder}/spool
log_file_path = {folder}/spool/log-%slog
pid_file_path = {folder}/spool/exim.pid
log_selector = +tls_cipher +incoming_port +smtp_connection +smtp_no_mail +smtp_protocol_error +smtp_syntax_error
rfc1413_query_timeout = 0s
host_lookup =
smtp_banner = $primary_hostname ESMTP
smtp_accept_keepalive = false
tls_certificate = {cert}
tls_privatekey = {key}
tls_require_ciphers = {priority}
tls_advertise_hosts = {advertise}
acl_smtp_starttls = {starttls}
acl_smtp_rcpt = take_all
acl_smtp_data = take_all
auth_advertise_hosts = *
{queue}
begin acl
take_all:
  accept
may_not:
  deny message = TLS is not for you
begin routers
away:
  driver = manualroute
  domains = *
  route_data = {relay}
  transport = remote
  self = send
begin transports
remote:
  driver = smtp
  port = {relay_port}
  hosts_require_tls = {require}
  tls_require_ciphers = {client_priority}
  hosts_try_fastopen =
  hosts_try_chunking =
begin retry
* * F,1h,1s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = yes
  server_set_id = $auth2
"""


@functools.cache
def name():
    text = subprocess.run([PROGRAM, "-bV"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return "Exim " + re.search(r"Exim version (\S+)", text)[1] + " on GnuTLS"


class Exim(Background):
    """A daemon on `host` that calls itself `hostname`; with `relay` it hands its mail on to there, else it keeps it."""

    def __init__(self, host, folder, hostname, cert="", key="", ports="25", priority=ANY, advertise="*", starttls="take_all",
                 relay="", relay_port=25, require="", client_priority=ANY):
        spool = folder / "spool"
        spool.mkdir(parents=True)
        user = pwd.getpwnam("Debian-exim")
        os.chown(spool, user.pw_uid, user.pw_gid)
        self.log, self.host, self.config = spool / "log-mainlog", host, folder / "exim.conf"
        self.config.write_text(CONFIG.format(
            program=PROGRAM, folder=folder, hostname=hostname, cert=cert, key=key, ports=ports, priority=priority, advertise=advertise, starttls=starttls,
            queue="" if relay else "queue_only = true", relay=relay, relay_port=relay_port, require=require, client_priority=client_priority))
        self._seen = 0
        super().__init__(host.enter(PROGRAM, "-C", self.config, "-bdf"))

    def __enter__(self):
        self.wait_for("daemon started")
        return self

    @property
    def lines(self):
        log = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return log + super().lines

    def deliver(self, recipient):
        """Takes a mail and tries to hand it on at once; gives what the log says of that."""
        before = len(self.log.read_text().splitlines())
        mail = f"From: <desk@office.example>\nTo: <{recipient}>\nSubject: hello\n\nHello.\n"
        run(self.host.enter(PROGRAM, "-C", self.config, "-odi", "-f", "desk@office.example", recipient), stdin=mail)
        return [plain(line) for line in self.log.read_text().splitlines()[before:]]

    def next_line(self, what, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for number, line in enumerate(self.lines):
                if number >= self._seen and what in line:
                    self._seen = number + 1
                    return plain(line)
            time.sleep(0.05)
        raise RuntimeError(f"no {what!r} in the log\n" + "\n".join(self.lines[-20:]))

    def next_tls(self):
        return read(self.next_line(" X=TLS"))


def plain(line):
    """A line of the log without its time and the message's number."""
    return re.sub(r"^[\d-]+ [\d:]+ (\w{6}-\w{6}-\w{2} )?", "", line)


def read(line):
    found = re.search(r" X=(TLS[\d.]+):", line)
    return Said(text=line, line=line, version=found and found[1])
