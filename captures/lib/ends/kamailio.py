"""Kamailio, a SIP server that answers every request and logs the TLS of each."""

import functools
import re
import subprocess

from ..process import Background
from ..said import Said

CONFIG = """#!KAMAILIO
debug=2
log_stderror=yes
fork=yes
children=1
tcp_children=1
enable_tls=1
listen=tcp:{address}:5060
listen=tls:{address}:5061
listen=tls:{address}:5062
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "tls.so"
modparam("tls", "config", "{folder}/tls.cfg")
request_route {{
  xlog("L_WARN", "asked $rm by $proto from port $sp: $tls_version $tls_cipher_info\\n");
  sl_send_reply("200", "OK");
  exit;
}}
"""
TLS = """
[server:default]
method = TLSv1+
private_key = {key}
certificate = {cert}
cipher_list = DEFAULT:@SECLEVEL=0
[server:{address}:5062]
method = TLSv1.2+
private_key = {key}
certificate = {cert}
"""
ASK = ("OPTIONS sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/TLS 10.20.0.10;branch=z9hG4bK1\r\nFrom: <sip:probe@office.example>;tag=1\r\nTo: <sip:pbx.example>\r\n"
       "Call-ID: 1@office.example\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n")


@functools.cache
def name():
    text = subprocess.run(["kamailio", "-v"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    return "Kamailio " + re.search(r"kamailio ([\d.]+)", text)[1]


def server(host, folder, cert, key):
    folder.mkdir(parents=True)
    (folder / "kamailio.cfg").write_text(CONFIG.format(folder=folder, address=host.ip))
    (folder / "tls.cfg").write_text(TLS.format(cert=cert, key=key, address=host.ip))
    return Background(host.enter("kamailio", "-DD", "-E", "-f", folder / "kamailio.cfg", "-Y", folder, "-P", folder / "pid"), ready="Listening on")


def read(line):
    line = re.sub(r"^ *\d+\(\d+\) ", "", line)
    found = re.search(r": (TLSv\S+) (\S+)", line)
    return Said(text=line, line=line, version=found and found[1], cipher=found and found[2])
