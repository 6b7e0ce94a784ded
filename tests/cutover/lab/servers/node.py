"""Servers on Node's tls module, a process for each policy."""

import json

from ..clients.node import stack as version  # noqa: F401
from ..openssl import GROUP_NAMES, PROTOCOL, SUITES_13, Settings
from ..openssl_policies import BROWSERS, ECDHE, M365, P384, RSA
from . import certificates, lines

NAME, SERVICE = "node", "https"
ONE_AT_A_TIME = False
LENIENT = Settings(dhe=False)
POLICIES = [
    ("min-1.2", "TLS 1.2 and later", Settings(least="TLS 1.2", dhe=False)),
    ("ecdhe", "TLS 1.2 and later with ECDHE only", Settings(least="TLS 1.2", ciphers=ECDHE, dhe=False)),
    ("only-1.3", "TLS 1.3 only", Settings(least="TLS 1.3", dhe=False)),
    ("browsers", "ECDHE with the groups of browsers", Settings(least="TLS 1.2", ciphers=ECDHE, groups=BROWSERS, keys=RSA, dhe=False)),
    ("m365", "TLS 1.2 with the suites of Microsoft 365", Settings(least="TLS 1.2", ciphers=M365, groups=("secp256r1", "secp384r1"), keys=RSA, dhe=False)),
    ("ecdsa-p384", "ECDSA certificate on P-384", Settings(least="TLS 1.2", keys=P384, dhe=False)),
]


class Servers(lines.Servers):
    def __init__(self, lab, deployments):
        super().__init__(lab, deployments, words)


def words(lab, d):
    s = d.settings
    options = {"minVersion": PROTOCOL[s.least], "maxVersion": PROTOCOL[s.most], "ciphers": ":".join(SUITES_13) + ":" + s.ciphers,
               "honorCipherOrder": s.order == "server", "ecdhCurve": ":".join(GROUP_NAMES.get(g, g) for g in s.groups) if s.groups else "auto"}
    return ["node", lab.programs / "node_server.js", d.port, json.dumps(options), *(path for pair in certificates(lab, s.keys) for path in pair)]
