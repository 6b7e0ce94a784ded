"""Dovecot, each instance with a configuration of its own; its login log tells version and suite."""

import functools
import re
import signal
import subprocess

from ..process import Background
from ..said import Said

CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
info_log_path = /dev/stderr
protocols = {protocols}
listen = {listen}
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
ssl_min_protocol = {least}
ssl_cipher_list = DEFAULT:@SECLEVEL=0
disable_plaintext_auth = {no_plain}
auth_mechanisms = plain login
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 1
passdb {{
  driver = static
  args = password=secret-of-the-test
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home={folder}/mail/%u
}}
login_log_format_elements = user=<%u> method=%m rip=%r rport=%{{rport}} lport=%{{lport}} %c %k
service auth {{
  unix_listener {folder}/auth {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
login_greeting = {greeting}
{more}
"""
LMTP = """
ssl = {ssl}
protocol lmtp {{
  mail_plugins =
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service managesieve-login {{
  inet_listener sieve {{
    port = {sieve}
  }}
}}
"""


@functools.cache
def name():
    return "Dovecot " + subprocess.run(["dovecot", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[0]


class Dovecot(Background):
    def __init__(self, host, folder, cert, key, least="TLSv1", protocols="imap pop3", allow_plain=True, greeting="ready", listen="*, ::", more=""):
        for part in ("run", "state", "mail"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        uid = 65534  # nobody
        subprocess.run(["chown", str(uid), str(folder / "mail")], check=True)
        config = folder / "dovecot.conf"
        text = CONFIG.format(folder=folder, cert=cert, key=key, least=least, protocols=protocols, greeting=greeting, uid=uid, listen=listen, more=more,
                             no_plain="no" if allow_plain else "yes")
        config.write_text(text)
        self.auth = folder / "auth"
        self._read_lines = 0
        super().__init__(host.enter("dovecot", "-F", "-c", config), ready="starting up", end_signal=signal.SIGTERM)

    def next_said(self, seconds=10, what="Login: "):
        line = self.wait_for(what, seconds, after=self._read_lines)
        self._read_lines = self.lines.index(line, self._read_lines) + 1
        return read(line)


def read(line):
    line = re.sub(r"^\w+ \d+ [\d:]+ ", "", line)
    said = Said(text=line, line=line)
    found = re.search(r"TLS, (\S+) with cipher (\S+)", line)
    if found:
        said.version, said.cipher = found[1], found[2]
    port = re.search(r"rport=(\d+)", line)
    said.port = int(port[1]) if port else None
    return said
