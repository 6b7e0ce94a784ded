"""vsftpd, with TLS for the control connection."""

import functools
import re
import subprocess
import time

from ..process import Background
from ..said import Said

CONFIG = """
listen=YES
background=NO
listen_port={port}
isolate=NO
isolate_network=NO
seccomp_sandbox=NO
anonymous_enable=YES
anon_root={folder}/files
secure_chroot_dir={folder}/empty
ftp_username=daemon
nopriv_user=nobody
ssl_enable={ssl}
allow_anon_ssl=YES
force_local_data_ssl=NO
force_local_logins_ssl=NO
require_ssl_reuse=NO
ssl_tlsv1=YES
ssl_ciphers={ciphers}
rsa_cert_file={cert}
rsa_private_key_file={key}
debug_ssl=YES
xferlog_enable=YES
vsftpd_log_file={folder}/vsftpd.log
log_ftp_protocol=YES
"""

BANNER = "(vsFTPd 3.0.3)"


@functools.cache
def name():
    return subprocess.run("vsftpd -v 0>&1", shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout.strip().replace("vsftpd: version", "vsftpd")


class Vsftpd(Background):
    def __init__(self, host, folder, cert, key, port=21, ssl="YES", ciphers="DEFAULT:@SECLEVEL=0"):
        for part in ("files", "empty"):
            (folder / part).mkdir(parents=True)
        (folder / "files" / "scan.txt").write_text("a scanned page\n")
        self.log = folder / "vsftpd.log"
        self.log.touch()
        (folder / "vsftpd.conf").write_text(CONFIG.format(folder=folder, cert=cert, key=key, port=port, ssl=ssl, ciphers=ciphers))
        super().__init__(host.enter("vsftpd", folder / "vsftpd.conf"))

    def next_tls(self):
        time.sleep(0.5)
        found = re.findall(r".*SSL version: (\S+), SSL cipher: (\S+?),.*", self.log.read_text())
        lines = [line for line in self.log.read_text().splitlines() if "SSL version" in line]
        return Said(line=re.sub(r"^.*?\[pid \d+\] ", "", lines[-1]), version=found[-1][0], cipher=found[-1][1])

    def last(self, what):
        time.sleep(0.5)
        return [re.sub(r"^.*?\[pid \d+\] ", "", line) for line in self.log.read_text().splitlines() if what in line][-1]
