"""Postfix, each instance with a configuration and a queue of its own in the capture's folder."""

import functools
import grp
import os
import pwd
import re
import signal
import subprocess
import time

from ..process import Background
from ..said import Said

MASTER = """
smtp       inet  n - n - - smtpd
submission inet  n - n - - smtpd -o syslog_name=postfix/submission
submissions inet n - n - - smtpd -o syslog_name=postfix/smtps -o smtpd_tls_wrappermode=yes -o smtpd_tls_security_level=encrypt
{more}
cleanup    unix  n - n - 0 cleanup
qmgr       unix  n - n 300 1 qmgr
tlsmgr     unix  - - n 1000? 1 tlsmgr
rewrite    unix  - - n - - trivial-rewrite
bounce     unix  - - n - 0 bounce
defer      unix  - - n - 0 bounce
trace      unix  - - n - 0 bounce
verify     unix  - - n - 1 verify
flush      unix  n - n 1000? 0 flush
proxymap   unix  - - n - - proxymap
proxywrite unix  - - n - 1 proxymap
smtp       unix  - - n - - smtp
relay      unix  - - n - - smtp
error      unix  - - n - - error
retry      unix  - - n - - error
discard    unix  - - n - - discard
anvil      unix  - - n - 1 anvil
scache     unix  - - n - 1 scache
postlog    unix-dgram n - n - 1 postlogd
"""

SETTINGS = {
    "compatibility_level": "3.6", "inet_interfaces": "all", "inet_protocols": "ipv4", "mydestination": "", "alias_maps": "", "local_recipient_maps": "",
    "smtpd_relay_restrictions": "permit_mynetworks, reject", "smtpd_recipient_restrictions": "permit_mynetworks, reject", "mynetworks": "0.0.0.0/0",
    "default_transport": "discard", "relay_transport": "discard", "local_transport": "discard", "virtual_transport": "discard",
    "smtpd_banner": "$myhostname ESMTP", "disable_vrfy_command": "no", "biff": "no", "smtp_dns_support_level": "disabled", "smtp_host_lookup": "native",
    "smtpd_peername_lookup": "no", "maillog_file_prefixes": "/var", "smtpd_tls_loglevel": "1", "smtp_tls_loglevel": "1",
    "smtpd_tls_mandatory_protocols": ">=TLSv1", "smtpd_tls_protocols": ">=TLSv1", "smtp_tls_protocols": ">=TLSv1", "smtp_tls_mandatory_protocols": ">=TLSv1",
    # OpenSSL 3 takes TLS 1.0 and 1.1 only at this level.
    "tls_medium_cipherlist": "DEFAULT:@SECLEVEL=0", "smtpd_tls_ciphers": "medium", "smtpd_tls_mandatory_ciphers": "medium",
    "smtp_tls_ciphers": "medium", "smtp_tls_mandatory_ciphers": "medium", "smtpd_tls_session_cache_database": "", "tls_random_source": "dev:/dev/urandom",
}


@functools.cache
def name():
    return "Postfix " + subprocess.run(["postconf", "-d", "-h", "mail_version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


class Postfix(Background):
    """An instance on `host` that calls itself `hostname`; `settings` are main.cf's."""

    def __init__(self, host, folder, hostname, cert=None, key=None, more="", **settings):
        config, queue, data = folder / "etc", folder / "queue", folder / "data"
        for path in (config, queue, data):
            path.mkdir(parents=True, exist_ok=True)
        user = pwd.getpwnam("postfix")
        os.chown(data, user.pw_uid, grp.getgrnam("postfix").gr_gid)
        self.pid_file = queue / "pid" / "master.pid"
        self.log = folder / "mail.log"
        self.log.touch()
        chosen = {**SETTINGS, "myhostname": hostname, "queue_directory": queue, "data_directory": data, "maillog_file": self.log}
        if cert:
            chosen |= {"smtpd_tls_cert_file": cert, "smtpd_tls_key_file": key, "smtpd_tls_security_level": "may"}
        chosen |= settings
        (config / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in chosen.items()))
        (config / "master.cf").write_text(MASTER.format(more=more))
        self._seen = 0
        super().__init__(host.enter("postfix", "-c", config, "start-fg"))

    def __enter__(self):
        self.wait_for("daemon started")
        return self

    def stop(self, seconds=5):
        # The master leaves the process group that it was started in.
        pid = self.pid_file.read_text().strip() if self.pid_file.exists() else ""
        if pid:
            try:
                os.kill(int(pid), signal.SIGTERM)
            except ProcessLookupError:
                pass
        super().stop(seconds)

    @property
    def lines(self):
        # Its log goes to a file; what it prints itself is only trouble with its start.
        return self.log.read_text(errors="replace").splitlines() + super().lines

    def next_tls(self, seconds=10, what="TLS connection established"):
        """The next line of the log on a TLS session, as a server or a client."""
        line = self.next_line(what, seconds)
        return read(line)

    def next_line(self, what, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for number, line in enumerate(self.lines):
                if number >= self._seen and what in line:
                    self._seen = number + 1
                    return re.sub(r"^\w+ +\d+ [\d:]+ \S+ ", "", line)
            time.sleep(0.05)
        raise RuntimeError(f"no {what!r} in the log\n" + "\n".join(self.lines[-20:]))


def read(line):
    said = Said(text=line, line=line)
    found = re.search(r": (\S+) with cipher (\S+) \(\d+/\d+ bits\)(?: key-exchange (\S+)(?: \(([^)]+)\))?)?", line)
    if found:
        said.version, said.cipher = found[1], found[2]
        said.group = "X25519" if found[3] == "X25519" else None
    return said
