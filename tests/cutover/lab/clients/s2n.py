"""s2n-tls with AWS-LC, as PyPI's awscrt brings it."""

import json

from . import Client, by_program
from .openssl import HTTPS


def client(name, what, **options):
    def words(lab, target):
        return [lab.tools.newer_python, lab.programs / "s2n_client.py", target.address, target.port, target.name, json.dumps(options)]
    return Client(f"s2n-{name}", "s2n-tls (awscrt)", what, HTTPS, by_program(words))


CLIENTS = [
    client("default", "as it is"),
    client("tls1.0", "TLS 1.0 and later", least="TLSv1"),
    client("tls1.2", "TLS 1.2 and later", least="TLSv1_2"),
    client("tls1.3", "TLS 1.3 alone", least="TLSv1_3"),
    client("2025", "preferences TLSv1_2_2025_07", preference="TLSv1_2_2025_07"),
    client("pq", "preferences PQ_DEFAULT", preference="PQ_DEFAULT"),
]
