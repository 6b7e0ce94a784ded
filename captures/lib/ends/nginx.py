"""nginx as an HTTPS server whose log tells version, suite and whether a session was resumed."""

import functools
import json
import re
import subprocess

from ..process import Background
from ..said import Said

CONFIG = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr info;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  log_format truth escape=json '{{"remote":"$remote_addr","port":$remote_port,"version":"$ssl_protocol","cipher":"$ssl_cipher","curve":"$ssl_curve",'
    '"reused":"$ssl_session_reused","alpn":"$ssl_alpn_protocol","sni":"$ssl_server_name","client_verify":"$ssl_client_verify","agent":"$http_user_agent"}}';
  {servers}
}}
"""

SERVER = """
  server {{
    listen {listen} ssl{http2};
    ssl_certificate {cert}; ssl_certificate_key {key};
    ssl_protocols {protocols}; ssl_ciphers {ciphers}; ssl_session_cache shared:s{number}:1m; ssl_session_tickets {tickets};
    {extra}
    access_log /dev/stderr truth;
    location / {{ {location} }}
  }}
"""


@functools.cache
def name():
    return subprocess.run(["nginx", "-v"], stderr=subprocess.PIPE, text=True, check=True).stderr.split(":")[1].strip()


def site(cert, key, listen="443", protocols="TLSv1 TLSv1.1 TLSv1.2 TLSv1.3", ciphers="DEFAULT:@SECLEVEL=0", tickets="on", http2=False,
         extra="", location='default_type text/html; return 200 "<p>hello</p>\\n";'):
    return dict(cert=cert, key=key, listen=listen, protocols=protocols, ciphers=ciphers, tickets=tickets,
                http2=" http2" if http2 else "", extra=extra, location=location)

PLAIN = """
  server {{ listen {listen}; location / {{ {location} }} }}
"""


class Nginx(Background):
    def __init__(self, host, folder, *sites, template=SERVER):
        folder.mkdir(parents=True, exist_ok=True)
        servers = "".join(template.format(number=i, **s) for i, s in enumerate(sites))
        config = folder / "nginx.conf"
        config.write_text(CONFIG.format(folder=folder, servers=servers))
        super().__init__(host.enter("nginx", "-e", "stderr", "-p", folder, "-c", config), ready="start worker process")
        self._read_lines = 0

    def next_said(self, seconds=10):
        """The next request in the log."""
        line = self.wait_for('{"remote"', seconds, after=self._read_lines)
        self._read_lines = self.lines.index(line, self._read_lines) + 1
        return read(line)

    def next_error(self, seconds=10, what="SSL_do_handshake() failed"):
        line = self.wait_for(what, seconds, after=self._read_lines)
        self._read_lines = self.lines.index(line, self._read_lines) + 1
        return re.sub(r"^\S+ \S+ \[\w+\] \S+ \*\d+ ", "", line).partition(", request:")[0]

    def all_said(self):
        return [read(line) for line in self.lines if line.startswith('{"remote"')]


def read(line):
    entry = json.loads(line)
    curve = entry["curve"] or None
    return Said(text=line, line=line, version=entry["version"], cipher=entry["cipher"], group=curve if curve in ("X25519", "prime256v1", "secp384r1", "secp521r1", "X448") else None,
                resumed=entry["reused"] == "r", alpn=entry["alpn"] or None, port=entry["port"])
