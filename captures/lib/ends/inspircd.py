"""InspIRCd, an IRC server, in Debian on GnuTLS."""

import functools
import re
import subprocess

from ..process import Background

CONFIG = """
<server name="irc.example" description="test" network="Example" id="00A">
<admin name="admin" nick="admin" email="admin@irc.example">
<bind address="0.0.0.0" port="{port}" type="clients">
<connect name="all" allow="*" timeout="20" resolvehostnames="no" useident="no" threshold="1000" commandrate="100000">
<pid file="{folder}/pid">
<files motd="{folder}/motd">
<dns server="127.0.0.1" timeout="1">
<log method="stdout" level="debug" type="*" target="/dev/stdout">
<module name="cap">
<module name="ircv3">
{tls}
"""
TLS = """
<module name="ssl_gnutls">
<sslprofile name="Clients" provider="gnutls" certfile="{cert}" keyfile="{key}" priority="NORMAL:+VERS-TLS1.0:+VERS-TLS1.1" requestclientcert="no">
<module name="sslinfo">
<module name="starttls">
<starttls provider="Clients">
"""


@functools.cache
def name():
    text = subprocess.run(["inspircd", "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10).stdout
    return re.search(r"InspIRCd-[\d.]+", text)[0].replace("-", " ") + " on GnuTLS"


def server(host, folder, cert=None, key=None, port=6667):
    folder.mkdir(parents=True)
    (folder / "motd").write_text("hello\n")
    config = folder / "inspircd.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, tls=TLS.format(cert=cert, key=key) if cert else ""))
    return Background(host.enter("inspircd", "--nofork", "--runasroot", "--config", config), ready="InspIRCd is now running", cwd="/")
