"""A Kerberos realm of one, so that libpq has a ticket to ask for encryption by GSSAPI with."""

import os
import subprocess

from ..process import Background

REALM = "OFFICE.EXAMPLE"
KRB5 = """
[libdefaults]
default_realm = {realm}
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
udp_preference_limit = 1
default_ccache_name = FILE:{folder}/tickets
[realms]
{realm} = {{
  kdc = {address}:88
}}
"""
KDC = """
[kdcdefaults]
kdc_ports = 88
kdc_tcp_ports = 88
[realms]
{realm} = {{
  database_name = {folder}/principal
  key_stash_file = {folder}/stash
  acl_file = {folder}/acl
}}
[logging]
kdc = STDERR
"""


class Realm:
    def __init__(self, host, folder):
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self.host, self.folder, self.keytab = host, folder, folder / "keytab"
        (folder / "krb5.conf").write_text(KRB5.format(realm=REALM, folder=folder, address=host.ip))
        (folder / "kdc.conf").write_text(KDC.format(realm=REALM, folder=folder))
        self.env = {"KRB5_CONFIG": str(folder / "krb5.conf"), "KRB5_KDC_PROFILE": str(folder / "kdc.conf"), "KRB5_KTNAME": str(self.keytab)}
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "throwaway")

    def _run(self, *words, stdin=None):
        subprocess.run([str(w) for w in words], check=True, env={**os.environ, **self.env}, input=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, text=True)

    def service(self, name):
        self._run("kadmin.local", "-q", f"addprinc -randkey {name}")
        self._run("kadmin.local", "-q", f"ktadd -k {self.keytab} {name}")
        self.keytab.chmod(0o644)  # It lives for minutes.

    def server(self):
        return Background(self.host.enter("krb5kdc", "-n"), env=self.env, ready="commencing operation")

    def ticket(self, client, user, password):
        self._run("kadmin.local", "-q", f"addprinc -pw {password} {user}")
        self._run(*client.enter("kinit", user), stdin=password + "\n")
