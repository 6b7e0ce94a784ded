"""Telnet with START_TLS: C-Kermit as server and as client, and s3270; both print what they negotiate."""

import functools
import re
import subprocess

from ..process import Background, run
from ..said import Said, pick

GREETING = "Welcome to the terminal server."
SERVER = """
set telnet debug on
set auth tls rsa-cert-file {cert}
set auth tls rsa-key-file {key}
set auth tls verify no
set telopt /server start-tls {tls}
set telopt /server authentication refused
set telopt /server encryption refused refused
set telopt /server kermit refused refused
set telnet newline-mode nvt raw
set input echo off
set host * {port} /telnet
output {greeting}\\13\\10login: 
input 4 \\13
output \\13\\10Password: 
input 4 \\13
msleep 300
exit
"""
CLIENT = """
set telnet debug on
set auth tls verify no
set telopt /client start-tls {tls}
set telopt /client authentication refused
set telopt /client encryption refused refused
set telopt /client kermit refused refused
set telnet newline-mode nvt raw
set input echo off
set host {address} {port} /telnet
{talk}
hangup
exit
"""
LOGIN = "input 4 login:\noutput desk\\13\ninput 4 word:\noutput secret-of-the-test\\13\nmsleep 500"
OPENSSL_CONF = "openssl_conf = top\n[top]\nssl_conf = ssl\n[ssl]\nsystem_default = any\n[any]\nCipherString = DEFAULT:@SECLEVEL=0\nMinProtocol = {least}\nMaxProtocol = {most}\n"


@functools.cache
def names():
    def version(package):
        return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], stdout=subprocess.PIPE, text=True, check=True).stdout.partition("-")[0]

    return "C-Kermit " + version("ckermit").replace("402~", "10.0 "), "s3270 " + version("s3270")


def _env(folder, name, least="TLSv1", most="TLSv1.3"):
    config = folder / f"{name}.cnf"
    config.write_text(OPENSSL_CONF.format(least=least, most=most))
    return {"OPENSSL_CONF": str(config), "HOME": str(folder)}


def server(host, folder, cert, key, port=23, tls="requested", least="TLSv1"):
    """Serves one session. `tls`: Kermit's word for what it makes of START_TLS."""
    script = folder / f"server-{port}.ksc"
    script.write_text(SERVER.format(greeting=GREETING, cert=cert, key=key, tls=tls, port=port))
    return Background(host.enter("stdbuf", "-o0", "kermit", "-y", script), stdin=subprocess.DEVNULL, env=_env(folder, f"server-{port}", least), ready="Waiting to Accept")


def kermit(client, folder, address, port, tls="accepted", most="TLSv1.3", talk=LOGIN):
    script = folder / "client.ksc"
    script.write_text(CLIENT.format(address=address, port=port, tls=tls, talk=talk))
    local = client.next_port()
    text = run(client.enter("stdbuf", "-o0", "kermit", "-y", script), env=_env(folder, "client", most=most), seconds=20)
    return read(text, local)


def s3270(client, folder, address, port, *_):
    """The terminal emulator, which takes what is offered; it has no words for versions."""
    local = client.next_port()
    text = run(client.enter("s3270", "-trace", "-tracefile", "stdout", "-xrm", "s3270.verifyHostCert: False", f"{address}:{port}"),
               stdin=[(2, "Query(Tls)\n"), (0.3, "Quit()\n")], env=_env(folder, "s3270"), seconds=10)
    text = re.sub(r"^\d{8}\.\d{6}\.\d+ ", "", text, flags=re.M)
    return Said(text=text, line=pick(text, "START-TLS", "Starting OpenSSL", "secure host", "Connection failed")[:500], port=local)


def read(text, port=None):
    line = pick(text, "START-TLS", "[TLS - OK", "[TLS - FAILED", "[TLS - TLS", "[TLS - ECD", "Start-TLS refused", "SSL_accept error", "alert", "negotiation error")
    line = re.sub(r"[0-9A-F]{16}:error:", "error:", re.sub(r" +", " ", line))
    suite = re.search(r"\[TLS - ((?:TLS_|ECDHE-)\S+)", text)
    return Said(text=text, line=line[:500], cipher=suite and suite[1], port=port)
