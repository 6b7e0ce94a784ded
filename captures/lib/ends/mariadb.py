"""MariaDB's server and client, which both tell version and suite of each connection."""

import functools
import re
import subprocess

from ..process import Background, run
from ..said import Said, pick

PASSWORD = "secret-of-the-test"


@functools.cache
def name():
    text = subprocess.run(["mariadbd", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return "MariaDB " + re.search(r"Ver ([\d.]+)", text)[1]


def server(host, folder, cert=None, key=None, ca=None, port=3306, versions="TLSv1.0,TLSv1.1,TLSv1.2,TLSv1.3"):
    folder.mkdir(parents=True)
    data = folder / "data"
    subprocess.run(["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    setup = folder / "setup.sql"
    setup.write_text(f"create user desk@'%' identified by '{PASSWORD}';\n")
    tls = [f"--ssl-cert={cert}", f"--ssl-key={key}", f"--ssl-ca={ca}", f"--tls-version={versions}", "--ssl-cipher=DEFAULT:@SECLEVEL=0"] if cert else ["--skip-ssl"]
    return Background(host.enter("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={folder}/socket", f"--port={port}",
                                 f"--pid-file={folder}/pid", "--skip-name-resolve", "--log-warnings=4", "--innodb-buffer-pool-size=8M", f"--init-file={setup}", *tls),
                      ready="ready for connections", cwd="/")


def query(client, address, port, *options):
    local = client.next_port()
    text = run(client.enter("mariadb", "--no-defaults", f"--host={address}", f"--port={port}", "--user=desk", f"--password={PASSWORD}", "--skip-reconnect", *options,
                            "-e", "show session status where variable_name in ('Ssl_version', 'Ssl_cipher')"))
    found = dict(re.findall(r"^(Ssl_\w+)\t(\S+)$", text, re.M))
    return Said(text=text, line=pick(text, "Ssl_", "ERROR").replace("\t", " "), version=found.get("Ssl_version"), cipher=found.get("Ssl_cipher"), port=local)
