"""OpenSSL's s_server, one process for each policy. It takes one client at a time, so its log is the client's own."""

import subprocess
import functools

from lib.process import Background

from ..converse import PAGE, PATH
from ..openssl import OPTION
from ..openssl_policies import COMMON, LENIENT, MORE  # noqa: F401
from . import certificates

NAME, SERVICE = "s_server", "https"
ONE_AT_A_TIME = True
POLICIES = COMMON + MORE


@functools.cache
def version():
    return subprocess.run(["openssl", "version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split("(")[0].strip()


class Servers:
    """All deployments of the program, running while its `with` block does."""

    def __init__(self, lab, deployments):
        self.lab, self.processes = lab, {}
        folder = lab.folder / "s_server"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PATH.strip("/")).write_text(PAGE + "\n")
        for d in deployments:
            s = d.settings
            words = ["openssl", "s_server", "-accept", d.port, "-WWW", "-state", "-no_ticket", "-cipher", s.ciphers, "-ciphersuites", ":".join(s.suites_13)]
            for (certificate, key), names in zip(certificates(lab, s.keys), (("-cert", "-key"), ("-dcert", "-dkey"))):
                words += [names[0], certificate, names[1], key]
            words += [f"-no_{OPTION[v]}" for v in OPTION if v not in s.versions]
            words += ["-groups", s.openssl_groups()] if s.groups else []
            words += ["-sigalgs", s.openssl_signatures()] if s.signatures else []
            words += ["-serverpref"] if s.order == "server" else []
            # Its automatic parameters are none of RFC 7919, which a client may refuse without a word of it in its hello.
            words += ["-dhparam", lab.dh_parameters] if s.dhe else ["-no_dhe"]
            self.processes[d.policy] = Background(lab.network.servers.enter(*words), ready="ACCEPT", cwd=folder)

    def __enter__(self):
        for process in self.processes.values():
            process.__enter__()
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.stop()

    def before(self, deployment):
        return len(self.processes[deployment.policy].lines)

    def after(self, deployment, client_address, mark):
        """("completed" | "failed" | None where it never came here, the log's words)."""
        process = self.processes[deployment.policy]
        self.lab.until(lambda: any("FILE:" in line or "error" in line.lower() for line in process.lines[mark:]), 0.5)
        lines = [line for line in process.lines[mark:] if line.strip()]
        if not lines:
            return None, ""
        done = any(line.startswith("FILE:") for line in lines)
        words = [line for line in lines if "error" in line.lower() or "alert" in line or "FILE:" in line]
        return "completed" if done else "failed", " | ".join(words)[:400]
