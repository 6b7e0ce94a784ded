"""PostgreSQL's server and psql, which both tell version and suite of each connection."""

import functools
import re
import shutil
import subprocess

from ..process import Background, run
from ..said import Said, pick

PROGRAMS = "/usr/lib/postgresql/15/bin"
CONFIG = """
listen_addresses = '*'
port = {port}
unix_socket_directories = ''
log_connections = on
logging_collector = off
log_line_prefix = '%h(%r) '
ssl = {ssl}
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
ssl_min_protocol_version = 'TLSv1'
ssl_ciphers = 'DEFAULT:@SECLEVEL=0'
"""
# psql has no option for OpenSSL's security level.
OPENSSL_CONF = "openssl_conf = top\n[top]\nssl_conf = ssl\n[ssl]\nsystem_default = any\n[any]\nCipherString = DEFAULT:@SECLEVEL=0\n"
PASSWORD = "secret-of-the-test"


@functools.cache
def name():
    return "PostgreSQL " + subprocess.run([f"{PROGRAMS}/postgres", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[2]


def server(host, folder, cert, key, port=5432, ssl="on", more=""):
    def as_postgres(*words):
        return ["runuser", "-u", "postgres", "--", *map(str, words)]

    folder.mkdir(parents=True)
    subprocess.run(["chown", "postgres", str(folder)], check=True)
    data = folder / "data"
    (folder / "password").write_text(PASSWORD)
    subprocess.run(as_postgres(f"{PROGRAMS}/initdb", "-D", data, "-A", "password", "-U", "postgres", f"--pwfile={folder}/password", "--no-sync"),
                   check=True, stdout=subprocess.DEVNULL, cwd="/")
    with (data / "postgresql.conf").open("a") as config:
        config.write(CONFIG.format(port=port, ssl=ssl) + more)
    (data / "pg_hba.conf").write_text("host all all 0.0.0.0/0 password\n")
    for source, target in ((cert, "server.pem"), (key, "server.key")):
        shutil.copy(source, data / target)
        (data / target).chmod(0o600)
        subprocess.run(["chown", "postgres", str(data / target)], check=True)
    return Background(host.enter(*as_postgres(f"{PROGRAMS}/postgres", "-D", data)), ready="ready to accept connections", cwd="/")


def psql(client, folder, host, port=5432, env=None, **parameters):
    config = folder / "any-level.cnf"
    config.write_text(OPENSSL_CONF)
    local = client.next_port()
    words = {"host": host, "port": port, "user": "postgres", "dbname": "postgres", "password": PASSWORD, "gssencmode": "disable", **parameters}
    text = run(client.enter("psql", "-X", " ".join(f"{k}={v}" for k, v in words.items()), "-c", r"\conninfo", "-c", "select 1"),
               env={"OPENSSL_CONF": str(config), **(env or {})})
    said = Said(text=text, line=pick(text, "SSL connection", "GSSAPI-encrypted", "error", "You are connected"), port=local)
    found = re.search(r"SSL connection \(protocol: (\S+), cipher: (\S+),", text)
    if found:
        said.version, said.cipher = found[1], found[2]
    return said
