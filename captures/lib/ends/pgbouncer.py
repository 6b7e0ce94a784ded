"""PgBouncer, which has no GSSAPI and says so, in front of a PostgreSQL server."""

import functools
import subprocess

from ..process import Background

CONFIG = """
[databases]
* = host={target} port={target_port}
[pgbouncer]
listen_addr = *
listen_port = {port}
auth_type = plain
auth_file = {folder}/users
log_connections = 1
client_tls_sslmode = {tls}
client_tls_protocols = all
client_tls_ciphers = DEFAULT:@SECLEVEL=0
client_tls_cert_file = {folder}/server.pem
client_tls_key_file = {folder}/server.key
server_tls_sslmode = disable
"""


@functools.cache
def name():
    return subprocess.run(["pgbouncer", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[0]


def server(host, folder, cert, key, target, target_port, password, port=6432, tls="allow"):
    folder.mkdir(parents=True)
    (folder / "users").write_text(f'"postgres" "{password}"\n')
    (folder / "server.pem").write_bytes(cert.read_bytes())
    (folder / "server.key").write_bytes(key.read_bytes())
    config = folder / "pgbouncer.ini"
    config.write_text(CONFIG.format(folder=folder, target=target, target_port=target_port, port=port, tls=tls))
    return Background(host.enter("runuser", "-u", "postgres", "--", "pgbouncer", config), cwd="/", ready="process up")
