"""squid: an HTTP proxy that grants CONNECT to ports 80, 443 and 444, on one of its ports to those alone who name themselves."""

import functools
import subprocess

from ..process import Background

CONFIG = """
http_port 3128 name=open
http_port 3129 name=known
pid_filename {folder}/pid
cache_log {folder}/cache.log
coredump_dir {folder}
cache deny all
cache_effective_user proxy
visible_hostname proxy.example
shutdown_lifetime 1 seconds
netdb_filename none
dns_nameservers 127.0.0.1
auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/users
auth_param basic realm office
logformat truth %>p %Ss %>Hs %rm %ru %un
access_log stdio:{folder}/access.log truth
buffered_logs off
acl good port 80 443 444
acl known_port myportname known
acl known proxy_auth REQUIRED
http_access deny !good
http_access allow known_port known
http_access deny known_port
http_access allow all
"""


@functools.cache
def name():
    return "squid " + subprocess.run(["squid", "-v"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[3]


class Squid(Background):
    def __init__(self, host, folder, user, password):
        folder.mkdir(parents=True)
        folder.chmod(0o777)
        self.log = folder / "access.log"
        digest = subprocess.run(["openssl", "passwd", "-apr1", password], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        (folder / "users").write_text(f"{user}:{digest}\n")
        (folder / "squid.conf").write_text(CONFIG.format(folder=folder))
        super().__init__(host.enter("squid", "-N", "-d", "1", "-f", folder / "squid.conf"), ready="Accepting HTTP Socket connections")

    @property
    def lines(self):
        # Its log goes to a file; what it prints itself tells of its start.
        return super().lines if not self.log.exists() or not self.log.stat().st_size else self.log.read_text(errors="replace").splitlines()
