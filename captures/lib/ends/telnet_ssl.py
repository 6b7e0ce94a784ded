"""The telnet and telnetd of Debian's telnet-ssl: TLS by Telnet's AUTHENTICATION option (RFC 2941), type 7 "SSL"."""

import subprocess

from ..process import Background, run
from ..said import Said, pick
from ..tools import UNPACKED


def name():
    return "netkit-telnet-ssl " + subprocess.run(["apt-cache", "show", "telnet-ssl"], stdout=subprocess.PIPE, text=True, check=True).stdout.partition("Version: ")[2].split("\n")[0].rpartition("really")[2]


def server(host, pem, port=23):
    """Serves one session; `pem` holds certificate and key."""
    return Background(host.enter(UNPACKED / "usr/sbin/in.telnetd", "-debug", port, "-z", f"cert={pem}", "-z", f"key={pem}"))


def connect(client, address, port, *options):
    local = client.next_port()
    text = run(client.enter("stdbuf", "-o0", UNPACKED / "usr/bin/telnet-ssl", *options, address, port), stdin=[(1.5, "desk\n"), (1, "")], seconds=8)
    return Said(text=text, line=pick(text, "SSL", "ssl_connect"), port=local)
