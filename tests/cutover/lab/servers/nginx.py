"""nginx with the `ssl` module on OpenSSL; one process, one port for each policy."""

import functools
import json
import re
import subprocess

from lib.process import Background

from ..converse import PAGE
from ..openssl import Settings
from ..openssl_policies import COMMON, LENIENT, MORE  # noqa: F401
from . import certificates

NAME, SERVICE = "nginx", "https"
ONE_AT_A_TIME = False
POLICIES = COMMON + MORE + [("server-name", "TLS 1.2 and later, for known names only", Settings(least="TLS 1.2", server_name="required"))]

CONFIG = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr info;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  log_format said escape=json '{{"remote":"$remote_addr","port":$server_port,"version":"$ssl_protocol","cipher":"$ssl_cipher","status":$status}}';
  {servers}
}}
"""
SERVER = """
  server {{
    listen {port} ssl default_server;
    server_name {name};
    {certificates}
    ssl_protocols {protocols}; ssl_ciphers {ciphers}; ssl_session_cache off; ssl_session_tickets off;
    ssl_prefer_server_ciphers {order}; ssl_conf_command Ciphersuites {suites_13};
    {more}
    access_log /dev/stderr said;
    location / {{ default_type text/html; return 200 "{page}\\n"; }}
  }}
"""
# The version is chosen before the name is read, so by this server's settings.
REJECT = "  server {{ listen {port} ssl default_server; ssl_protocols {protocols}; ssl_reject_handshake on; }}\n"


@functools.cache
def version():
    return subprocess.run(["nginx", "-v"], stderr=subprocess.PIPE, text=True, check=True).stderr.split(":")[1].strip()


class Servers(Background):
    def __init__(self, lab, deployments):
        self.lab = lab
        folder = lab.folder / "nginx"
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "nginx.conf"
        config.write_text(CONFIG.format(folder=folder, servers="".join(self._server(lab, d) for d in deployments)))
        super().__init__(lab.network.servers.enter("nginx", "-e", "stderr", "-p", folder, "-c", config), ready="start worker process")

    @staticmethod
    def _server(lab, d):
        s = d.settings
        more = [f"ssl_ecdh_curve {s.openssl_groups()};"] if s.groups else []
        more += [f"ssl_conf_command SignatureAlgorithms {s.openssl_signatures()};"] if s.signatures else []
        more += [f"ssl_dhparam {lab.dh_parameters};"] if s.dhe else []
        text = SERVER.format(port=d.port, name=lab.name, protocols=" ".join(s.openssl_versions()), ciphers=s.ciphers, order="on" if s.order == "server" else "off",
                             suites_13=":".join(s.suites_13), more=" ".join(more), page=PAGE,
                             certificates=" ".join(f"ssl_certificate {c}; ssl_certificate_key {k};" for c, k in certificates(lab, s.keys)))
        if s.server_name == "required":
            text = REJECT.format(port=d.port, protocols=" ".join(s.openssl_versions())) + text.replace(" default_server", "")
        return text

    def before(self, deployment):
        return len(self.lines)

    def after(self, deployment, client_address, mark=0):
        served = f'"remote":"{client_address}","port":{deployment.port},'
        broke = re.compile(rf"client: {re.escape(client_address)}, server: 0\.0\.0\.0:{deployment.port}\b")

        def found():
            return [line for line in self.lines[mark:] if served in line or broke.search(line)]

        self.lab.until(lambda: found(), 0.5)
        lines = found()
        if not lines:
            return None, ""
        done = [json.loads(line) for line in lines if served in line]
        if any(entry["status"] == 200 for entry in done):
            return "completed", f'{done[-1]["version"]} {done[-1]["cipher"]}'
        return "failed", " | ".join(re.sub(r"^\S+ \S+ \[\w+\] \S+ \*\d+ ", "", line).partition(", client:")[0] for line in lines)[:400]
