"""uTLS: Go programs that imitate browsers' hellos."""

from . import Client, by_program
from .openssl import HTTPS


def client(identifier, what):
    def words(lab, target):
        return lab.with_hosts(target, [lab.tools.newer_python, lab.programs / "utls_client.py", target.port, target.name, identifier])
    return Client(f"utls-{identifier.replace('_', '')}", "uTLS (tls_client)", what, HTTPS, by_program(words))


CLIENTS = [
    client("chrome_120", "as Chrome 120"),
    client("firefox_117", "as Firefox 117"),
    client("safari_ios_16_0", "as Safari of iOS 16"),
    client("okhttp4_android_7", "as OkHttp of Android 7"),
]
