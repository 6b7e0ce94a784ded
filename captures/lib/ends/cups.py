"""CUPS: its scheduler, and ipptool as the client that upgrades HTTP to TLS on its way (RFC 2817)."""

import functools
import subprocess

from ..process import Background, run
from ..said import Said, pick

CONFIG = """
LogLevel debug2
Listen 0.0.0.0:{port}
ServerName 10.20.0.1
ServerAlias *
DefaultAuthType None
SSLOptions MinTLS{least}
<Location />
  Order allow,deny
  Allow all
</Location>
"""
FILES = """
SystemGroup root
User lp
Group lp
ServerRoot {folder}
RequestRoot {folder}/spool
CacheDir {folder}/cache
StateDir {folder}/state
DataDir /usr/share/cups
ServerBin /usr/lib/cups
ServerKeychain {folder}/ssl
CreateSelfSignedCerts yes
ErrorLog stderr
AccessLog {folder}/access_log
PageLog {folder}/page_log
FatalErrors none
"""
ASK = """{ NAME "ask" OPERATION CUPS-Get-Printers GROUP operation-attributes-tag ATTR charset attributes-charset utf-8 ATTR naturalLanguage attributes-natural-language en }\n"""


@functools.cache
def name():
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "cups-daemon"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return "CUPS " + version.partition("-")[0] + " on GnuTLS"


def server(host, folder, port=631, least="1.0"):
    for part in ("spool", "cache", "state", "ssl", "ppd"):
        (folder / part).mkdir(parents=True)
    (folder / "cupsd.conf").write_text(CONFIG.format(port=port, least=least))
    (folder / "cups-files.conf").write_text(FILES.format(folder=folder))
    return Background(host.enter("cupsd", "-f", "-c", folder / "cupsd.conf", "-s", folder / "cups-files.conf"), ready="Listening to 0.0.0.0")


def ipptool(tools, client, folder, address, port=631, *options, tls=None):
    home = folder / f"home-{tls}"
    (home / ".cups").mkdir(parents=True, exist_ok=True)
    (home / ".cups" / "client.conf").write_text(f"SSLOptions MinTLS1.0 MaxTLS{tls}\n" if tls else "")
    (home / "ask").write_text(ASK)
    mask = folder / "no_kernel.so"
    if not mask.exists():
        subprocess.run(["cc", "-shared", "-fPIC", "-o", mask, tools.clients / "no_kernel.c"], check=True)
    local = client.next_port()
    text = run(client.enter("ipptool", "-tv", *options, f"ipp://{address}:{port}/", home / "ask"), env={"HOME": str(home), "LD_PRELOAD": str(mask)}, seconds=20)
    return Said(text=text, line=pick(text, "[PASS]", "[FAIL]", "status-code", "ipptool:", "Unable"), port=local)
