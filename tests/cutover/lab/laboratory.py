"""What all parts of a run share: the network, keys and certificates, a folder, the built programs."""

import contextlib
import functools
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from lib.pki import Authority

from .clients.java import RELAXED
from .converse import NAME, REQUEST
from .network import Network

PROGRAMS = Path(__file__).with_name("programs")


class Laboratory:
    name = NAME
    programs = PROGRAMS

    def __init__(self, tools):
        self.tools = tools
        self.folder = Path(tempfile.mkdtemp(prefix="hellotap-cutover-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.network = Network()
        self.authority = Authority(self.folder / "pki", "Cut-over Test CA")
        self._stack, self._lock, self._postfix = contextlib.ExitStack(), threading.RLock(), None

    def __enter__(self):
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._stack.enter_context(self.network)
        return self

    def __exit__(self, *_):
        self._stack.close()

    @property
    def postfix_sender(self):
        """The sending Postfix, started when the first mail is to be sent."""
        from .clients.senders import PostfixSender
        with self._lock:
            if not self._postfix:
                self._postfix = self._stack.enter_context(PostfixSender(self))
            return self._postfix

    def certificate(self, kind):
        """(certificate, key) files of a key of that kind, in the contract's words ("RSA-2048", "ECDSA P-256")."""
        folder = self.folder / "pki" / kind.replace(" ", "-")
        if not folder.exists():
            folder.mkdir(parents=True)
            authority = object.__new__(Authority)  # The same authority, issuing into a folder of its own: leaves are named after their names.
            authority.folder, authority.pem, authority.key = folder, self.authority.pem, self.authority.key
            authority.issue(self.name, "mail.cutover.example", "localhost", kind=f"rsa:{kind[4:]}" if kind.startswith("RSA-") else kind.removeprefix("ECDSA "))
        return folder / f"{self.name}.pem", folder / f"{self.name}.key"

    @functools.cached_property
    def dh_parameters(self):
        """ffdhe2048, as Mozilla's profile has it: known parameters, so nothing to compute."""
        path = self.folder / "dh.pem"
        subprocess.run(["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", str(path)], check=True)
        return path

    @functools.cached_property
    def relaxed_java(self):
        path = self.folder / "relaxed.security"
        path.write_text(RELAXED)
        return path

    @functools.cached_property
    def erlang_code(self):
        """The folder with the compiled Erlang client."""
        from .clients.others import ERLANG
        folder = self.folder / "erlang"
        folder.mkdir()
        (folder / "cutover_client.erl").write_text(ERLANG.replace("REQUEST", REQUEST.replace("\r", "\\r").replace("\n", "\\n")))
        subprocess.run(["erlc", "-o", str(folder), str(folder / "cutover_client.erl")], check=True)
        return folder

    java_classes = property(lambda self: self.tools.java_classes)
    go_program = property(lambda self: self.tools.go_program)
    venv_python = property(lambda self: self.tools.python)

    def with_hosts(self, target, words):
        """Runs `words` where the target's name leads to its address: in a mount namespace with a hosts file of its own."""
        path = self.folder / f"hosts-{target.address}"
        path.write_text(f"127.0.0.1 localhost\n{target.address} {target.name}\n")
        return self.network.clients.enter("sh", "-c", 'mount --bind "$1" /etc/hosts && shift && exec "$@"', "sh", path, *words)

    @staticmethod
    def until(found, seconds):
        """Waits until `found()`; logs arrive a little after the client's end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found():
                return True
            time.sleep(0.03)
        return False
