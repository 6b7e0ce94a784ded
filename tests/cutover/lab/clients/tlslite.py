"""tlslite-ng, TLS written in Python."""

import json

from ..converse import PAGE, converse
from . import Attempt, Client, pick
from .openssl import HTTPS


def tlslite(**options):
    def attempt(lab, target):
        words = [lab.venv_python, lab.programs / "tlslite_client.py", target.address, target.port, target.name, json.dumps(options)]
        _, text = converse(lab.network.clients.enter(*words))
        return Attempt("encrypted" if PAGE in text else "failed", pick(text, "said:"))
    return attempt


def client(name, what, hidden="", reduced=False, **options):
    return Client(f"tlslite-{name}", "tlslite-ng 0.8.2", what, HTTPS, tlslite(**options), hidden, reduced)


CLIENTS = [
    client("default", "as it is", reduced=True),
    client("tls1.0", "TLS 1.0, no elliptic curves: as the devices of that time", low=[3, 1], high=[3, 1], keyExchangeNames=["rsa", "dhe_rsa"], cipherNames=["aes128", "aes256", "3des", "rc4"],
           macNames=["sha", "md5"], useEncryptThenMAC=False, useExtendedMasterSecret=False, reduced=True),
    client("tls1.2-rsa-cbc", "TLS 1.2 with TLS_RSA and CBC-SHA only: a printer", high=[3, 3], keyExchangeNames=["rsa"], cipherNames=["aes128", "aes256"], macNames=["sha"]),
    client("dhe", "TLS 1.2 with DHE only", high=[3, 3], keyExchangeNames=["dhe_rsa"]),
    client("p521", "P-521 alone", eccCurves=["secp521r1"], keyShares=["secp521r1"], dhGroups=[]),
    client("no-ems", "TLS 1.2 without extended_master_secret", high=[3, 3], useExtendedMasterSecret=False),
    client("insists-on-ems", "TLS 1.2 that insists on extended_master_secret", high=[3, 3], requireExtendedMasterSecret=True),
    client("pkcs1-sha1", "TLS 1.2, RSA PKCS #1 with SHA-1 alone", high=[3, 3], rsaSigHashes=["sha1"], rsaSchemes=["pkcs1"], ecdsaSigHashes=["sha1"]),
]
