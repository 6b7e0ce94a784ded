"""Dovecot's imap-login, an instance for each policy."""

import functools
import re
import subprocess

from lib.process import Background

from ..openssl import PROTOCOL, Settings
from ..openssl_policies import COMMON, LENIENT, P384  # noqa: F401
from . import certificates

NAME, SERVICE = "dovecot", "imap"
ONE_AT_A_TIME = False
# ssl_min_protocol has no upper end, and no setting for signature algorithms.
POLICIES = COMMON + [("ecdsa-p384", "ECDSA certificate on P-384", Settings(keys=P384))]

CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
info_log_path = /dev/stderr
protocols = imap
listen = *
ssl = yes
{certificates}
ssl_dh = <{dh}
ssl_min_protocol = {least}
ssl_cipher_list = {ciphers}
ssl_prefer_server_ciphers = {order}
{groups}
passdb {{
  driver = static
  args = password=secret-of-the-test
}}
login_log_format_elements = rip=%r %c %k
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""


@functools.cache
def version():
    return "Dovecot " + subprocess.run(["dovecot", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[0]


class Servers:
    def __init__(self, lab, deployments):
        self.lab, self.instances = lab, {}
        for d in deployments:
            folder = lab.folder / f"dovecot-{d.policy}"
            for part in ("run", "state"):
                (folder / part).mkdir(parents=True)
            s = d.settings
            files = certificates(lab, s.keys)
            lines = "".join(f"ssl_{prefix}cert = <{c}\nssl_{prefix}key = <{k}\n" for prefix, (c, k) in zip(("", "alt_"), files))
            config = folder / "dovecot.conf"
            config.write_text(CONFIG.format(folder=folder, certificates=lines, dh=lab.dh_parameters, least=PROTOCOL[s.least], ciphers=s.ciphers,
                                            order="yes" if s.order == "server" else "no", port=d.port,
                                            groups=f"ssl_curve_list = {s.openssl_groups()}" if s.groups else ""))
            self.instances[d.policy] = Background(lab.network.servers.enter("dovecot", "-F", "-c", config), ready="starting up")

    def __enter__(self):
        for instance in self.instances.values():
            instance.__enter__()
        return self

    def __exit__(self, *_):
        for instance in self.instances.values():
            instance.stop()

    def before(self, deployment):
        return len(self.instances[deployment.policy].lines)

    def after(self, deployment, client_address, mark=0):
        instance = self.instances[deployment.policy]

        def found():
            return [line for line in instance.lines[mark:] if f"rip={client_address} " in line + " " or f"rip={client_address}," in line]

        self.lab.until(found, 2)
        lines = [re.sub(r"^\w+ \d+ [\d:]+ ", "", line) for line in found()]
        if not lines:
            return None, ""
        said = " | ".join(lines)[:400]
        # "TLS" alone where it stands, "TLS handshaking: SSL_accept() failed: …" where it does not.
        if any(re.search(r"\bTLS: SSL_|\bTLS handshaking", line) for line in lines):
            return "failed", said
        return ("completed" if any(re.search(r"TLS, |\bTLS\b", line) for line in lines) else "failed"), said
