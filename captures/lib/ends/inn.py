"""INN's nnrpd, the part of a news server that readers talk to, with a spool of its own that is empty."""

import functools
import re
import shutil
import subprocess

from ..process import Background, run
from ..tools import UNPACKED

PROGRAMS = UNPACKED / "usr" / "lib" / "news" / "bin"
CONFIG = """
mta: "/bin/true %s"
organization: Example
hismethod: hisv6
ovmethod: tradindexed
domain: news.example
fromhost: news.example
pathhost: news.example
pathnews: {folder}
pathbin: {programs}
pathdb: {folder}
pathetc: {folder}
pathrun: {folder}
pathlog: {folder}
pathspool: {folder}
pathoverview: {folder}
pathtmp: {folder}
logtrash: false
nnrpdcheckart: false
{tls}
"""
TLS = """
tlscertfile: {cert}
tlskeyfile: {key}
tlsprotocols: [ TLSv1 TLSv1.1 TLSv1.2 TLSv1.3 ]
tlsciphers: "DEFAULT:@SECLEVEL=0"
"""
READERS = """
auth all {{ hosts: "*" auth: "ckpasswd -f {folder}/passwords" default: <reader> }}
access all {{ users: * newsgroups: * }}
"""


@functools.cache
def name():
    text = subprocess.run([PROGRAMS / "innconfval", "-v"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={"LD_LIBRARY_PATH": str(PROGRAMS.parent)}).stdout
    return "INN " + re.search(r"INN ([\d.]+)", text)[1]


def server(host, folder, cert=None, key=None, port=119):
    folder.mkdir(parents=True)
    (folder / "inn.conf").write_text(CONFIG.format(folder=folder, programs=PROGRAMS, tls=TLS.format(cert=cert, key=folder / "key.pem") if cert else ""))
    (folder / "readers.conf").write_text(READERS.format(folder=folder))
    (folder / "passwords").write_text("desk:x\n")
    for file, text in (("active", "local.test 0000000000 0000000001 y\n"), ("active.times", ""), ("newsgroups", "local.test\tA test\n"), ("history", ""),
                       ("storage.conf", "method tradspool { newsgroups: * class: 0 }\n"), ("expire.ctl", "/remember/:11\n*:A:1:10:never\n"), ("nnrpd.track", "")):
        (folder / file).write_text(text)
    if key:  # A key that others may read is not taken.
        shutil.copy(key, folder / "key.pem")
        (folder / "key.pem").chmod(0o600)
    subprocess.run(["chown", "-R", "news:news", str(folder)], check=True)
    env = {"INNCONF": str(folder / "inn.conf"), "LD_LIBRARY_PATH": str(PROGRAMS.parent)}
    run([PROGRAMS / "makehistory", "-O", "-x", "-F"], env=env)  # Makes the index of groups, which readers must find.
    return Background(host.enter(PROGRAMS / "nnrpd", "-D", "-f", "-p", port, "-c", folder / "readers.conf"), env=env, cwd="/")
