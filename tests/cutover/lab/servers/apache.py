"""Apache httpd with mod_ssl on OpenSSL; one process, one port for each policy."""

import functools
import re
import subprocess

from lib.process import Background

from ..converse import PAGE, PATH
from ..openssl import PROTOCOL, Settings
from ..openssl_policies import BROWSERS, INTERMEDIATE, M365, P384, RSA, ECDHE
from . import certificates

NAME, SERVICE = "apache", "https"
ONE_AT_A_TIME = False
LENIENT = Settings()
POLICIES = [
    ("min-1.2", "TLS 1.2 and later", Settings(least="TLS 1.2")),
    ("only-1.3", "TLS 1.3 only", Settings(least="TLS 1.3")),
    ("mozilla-intermediate", "Mozilla's intermediate profile, version 5.7", Settings(least="TLS 1.2", ciphers=INTERMEDIATE, groups=BROWSERS, order="client", keys=RSA)),
    ("m365", "TLS 1.2 with the suites of Microsoft 365", Settings(least="TLS 1.2", ciphers=M365, groups=("secp256r1", "secp384r1"), keys=RSA)),
    ("p384", "P-384 only", Settings(least="TLS 1.2", ciphers=ECDHE, groups=("secp384r1",), keys=RSA)),
    ("ecdsa-p384", "ECDSA certificate on P-384", Settings(least="TLS 1.2", keys=P384)),
    ("pkcs1-sha256", "TLS 1.2 with signatures RSA PKCS #1 with SHA-256 only", Settings(least="TLS 1.2", most="TLS 1.2", keys=RSA, signatures=("rsa_pkcs1_sha256",))),
]
MODULES = "/usr/lib/apache2/modules"
CONFIG = """
ServerRoot {folder}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ServerName localhost
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule socache_shmcb_module {modules}/mod_socache_shmcb.so
LoadModule mime_module {modules}/mod_mime.so
LoadModule ssl_module {modules}/mod_ssl.so
User www-data
Group www-data
AddType text/html .html
TypesConfig /dev/null
ErrorLog /dev/stderr
LogLevel warn ssl:info
ErrorLogFormat "error %a %m %M"
LogFormat "served %a %p %{{SSL_PROTOCOL}}x %{{SSL_CIPHER}}x %>s" said
CustomLog /dev/stderr said
SSLSessionCache none
SSLRandomSeed startup builtin
ThreadsPerChild 32
StartServers 1
DocumentRoot {folder}/pages
<Directory {folder}/pages>
  Require all granted
</Directory>
{servers}
"""
SERVER = """
Listen 0.0.0.0:{port}
<VirtualHost *:{port}>
  ErrorLog "|/bin/sed -u s/^/{port}:/"
  SSLEngine on
  SSLSessionTickets off
  SSLProtocol -all {protocols}
  SSLCipherSuite {ciphers}
  SSLHonorCipherOrder {order}
  {more}
</VirtualHost>
"""


@functools.cache
def version():
    return subprocess.run(["apache2", "-v"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[0].split(": ")[1]


class Servers(Background):
    def __init__(self, lab, deployments):
        self.lab = lab
        folder = lab.folder / "apache"
        (folder / "pages").mkdir(parents=True, exist_ok=True)
        (folder / "pages" / PATH.strip("/")).write_text(PAGE + "\n")
        config = folder / "apache.conf"
        config.write_text(CONFIG.format(folder=folder, modules=MODULES, servers="".join(self._server(lab, d) for d in deployments)))
        super().__init__(lab.network.servers.enter("apache2", "-DFOREGROUND", "-f", config))

    @staticmethod
    def _server(lab, d):
        s = d.settings
        more = [f"SSLCertificateFile {c}\n  SSLCertificateKeyFile {k}" for c, k in certificates(lab, s.keys)]
        more += [f"SSLOpenSSLConfCmd Groups {s.openssl_groups()}"] if s.groups else []
        more += [f"SSLOpenSSLConfCmd SignatureAlgorithms {s.openssl_signatures()}"] if s.signatures else []
        more += [f"SSLOpenSSLConfCmd DHParameters {lab.dh_parameters}"]
        return SERVER.format(port=d.port, protocols=" ".join(f"+{PROTOCOL[v]}" for v in s.versions), ciphers=s.ciphers, order="on" if s.order == "server" else "off",
                             more="\n  ".join(more))

    def before(self, deployment):
        return len(self.lines)

    def after(self, deployment, client_address, mark=0):
        served = f"served {client_address} {deployment.port} "
        broke = re.compile(rf"^{deployment.port}:.*{re.escape(client_address)}:\d+")

        def found():
            return [line for line in self.lines[mark:] if line.startswith(served) or broke.match(line)]

        # "Connection to child … established" comes first in any case.
        self.lab.until(lambda: any(line.startswith(served) or "handshake" in line for line in found()), 0.7)
        lines = found()
        if not lines:
            return None, ""
        done = [line for line in lines if line.startswith(served) and line.endswith(" 200")]
        return ("completed", done[-1]) if done else ("failed", " | ".join(lines)[:400])
