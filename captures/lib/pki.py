"""Keys and certificates, made anew for each run and never kept with the captures."""

import subprocess

CA_CONFIG = """
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = {names}
"""


class Authority:
    """A certificate authority in a folder: `ca.pem`, and `NAME.pem` with `NAME.key` for each leaf."""

    def __init__(self, folder, name="Example Test CA"):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.pem, self.key = folder / "ca.pem", folder / "ca.key"
        config = self._config("DNS:unused.example")
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key, "-out", self.pem, "-days", "3650",
                      "-subj", f"/O=Example/CN={name}", "-config", config, "-extensions", "ca")

    def issue(self, name, *others, kind="rsa:2048"):
        """A leaf for `name` and other names or addresses; gives (certificate, key) paths."""
        pem, key, request = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr"))
        if pem.exists():
            return pem, key
        names = ",".join(("IP:" if n.replace(".", "").isdigit() or ":" in n else "DNS:") + n for n in (name, *others))
        config = self._config(names)
        how = ["-newkey", kind] if kind.startswith("rsa") else ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{kind}"]
        self._openssl("req", "-new", *how, "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}", "-config", config)
        self._openssl("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.key, "-CAcreateserial", "-days", "825",
                      "-out", pem, "-extfile", config, "-extensions", "leaf", "-sha256")
        key.chmod(0o644)  # Servers that drop their rights read it too; it lives for minutes.
        return pem, key

    def p12(self, name):
        """The same leaf as a PKCS #12 file for Java, password "changeit"."""
        path = self.folder / f"{name}.p12"
        self._openssl("pkcs12", "-export", "-in", self.folder / f"{name}.pem", "-inkey", self.folder / f"{name}.key", "-out", path,
                      "-passout", "pass:changeit")
        return path

    def _config(self, names):
        path = self.folder / "openssl.cnf"
        path.write_text(CA_CONFIG.format(names=names))
        return path

    @staticmethod
    def _openssl(*words):
        done = subprocess.run(["openssl", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise RuntimeError(f"openssl {words[0]}: {done.stdout}")
