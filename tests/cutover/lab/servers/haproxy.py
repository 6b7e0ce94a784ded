"""HAProxy on OpenSSL; one process, one port for each policy."""

import functools
import re
import subprocess

from lib.process import Background

from ..converse import PAGE
from ..openssl import PROTOCOL, Settings
from ..openssl_policies import COMMON, P384
from . import certificates

NAME, SERVICE = "haproxy", "https"
ONE_AT_A_TIME = False


class HaproxySettings(Settings):
    def accepts(self):
        accepts = super().accepts()
        return accepts.but(habits=accepts.habits | {"software": "haproxy"})


LENIENT = Settings()
# Where none are set, its groups are OpenSSL's; its parameters for DHE are of its own choice, unless a file is named.
POLICIES = [(name, what, HaproxySettings(**vars(s))) for name, what, s in [p for p in COMMON if p[0] != "min-1.2"] + [("ecdsa-p384", "ECDSA certificate on P-384", Settings(least="TLS 1.2", keys=P384)),
                                                                                      ("max-1.2", "TLS 1.2 at most", Settings(most="TLS 1.2"))]]
CONFIG = """
global
  log stdout format raw local0
  ssl-dh-param-file {dh}
  tune.ssl.cachesize 0
defaults
  mode http
  timeout client 8s
  timeout server 8s
  timeout connect 8s
  log global
  log-format "served %ci %fp %sslv %sslc %ST"
  error-log-format "broke %ci %fp %[fc_err_str] %[ssl_fc_err_str]"
"""
SERVER = """
frontend f{port}
  bind 0.0.0.0:{port} ssl crt {crt} ciphers {ciphers} ciphersuites {suites_13} ssl-min-ver {least} ssl-max-ver {most} no-tls-tickets {more}
  http-request return status 200 content-type text/html string "{page}"
"""


@functools.cache
def version():
    return "HAProxy " + subprocess.run(["haproxy", "-v"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[2]


class Servers(Background):
    def __init__(self, lab, deployments):
        self.lab = lab
        folder = lab.folder / "haproxy"
        folder.mkdir(exist_ok=True)
        config = folder / f"haproxy-{deployments[0].port}.cfg"
        config.write_text(CONFIG.format(dh=lab.dh_parameters) + "".join(self._server(lab, folder, d) for d in deployments))
        super().__init__(lab.network.servers.enter("haproxy", "-db", "-f", config))

    @staticmethod
    def _server(lab, folder, d):
        s = d.settings
        bundle = folder / f"{d.port}.pem"  # with .rsa and .ecdsa: one name, a file for each kind of key
        for certificate, key in certificates(lab, s.keys):
            end = ("." + ("rsa" if "RSA" in str(certificate) else "ecdsa")) if len(s.keys) > 1 else ""
            bundle.with_name(bundle.name + end).write_text(certificate.read_text() + key.read_text())
        more = [f"curves {s.openssl_groups()}"] if s.groups else []
        more += ["prefer-client-ciphers"] if s.order == "client" else []
        return SERVER.format(port=d.port, crt=bundle, ciphers=s.ciphers, suites_13=":".join(s.suites_13), least=PROTOCOL[s.least].replace("TLSv1", "TLSv1.0") if s.least == "TLS 1.0" else PROTOCOL[s.least],
                             most=PROTOCOL[s.most], more=" ".join(more), page=PAGE)

    def before(self, deployment):
        return len(self.lines)

    def after(self, deployment, client_address, mark=0):
        mine = re.compile(rf"(served|broke) {re.escape(client_address)} {deployment.port} ")

        def found():
            return [line for line in self.lines[mark:] if mine.search(line)]

        self.lab.until(found, 0.7)
        lines = found()
        if not lines:
            return None, ""
        done = [line for line in lines if "served" in line and line.endswith(" 200")]
        return ("completed", done[-1]) if done else ("failed", " | ".join(lines)[:400])
