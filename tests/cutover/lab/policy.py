"""A policy in the contract's words: what a server that is configured to it takes."""

from dataclasses import dataclass, field, replace

VERSIONS = ("TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3")


@dataclass(frozen=True)
class Accepts:
    """The keys of `[accepts]`, and `[accepts.habits]` below them. None: the key is absent."""
    min_version: str | None = None
    max_version: str | None = None
    cipher_suites: tuple | None = None
    groups: tuple | None = None
    signature_algorithms: tuple | None = None
    certificates: tuple | None = None            # ("RSA-2048", "ECDSA P-256")
    extended_master_secret: str | None = None
    encrypt_then_mac: str | None = None
    server_name: str | None = None
    cleartext: str | None = None
    habits: dict = field(default_factory=dict)

    def but(self, **changes):
        return replace(self, **changes)

    def versions_alone(self):
        """The same with no more than the versions said."""
        return Accepts(min_version=self.min_version, max_version=self.max_version if self.max_version != VERSIONS[-1] else None)

    def toml(self, name, title):
        lines = [f"name = {quoted(name)}", f"title = {quoted(title)}", "sources = []", "", "[accepts]"]
        for key in ("min_version", "max_version", "cipher_suites", "groups", "signature_algorithms"):
            value = getattr(self, key)
            if value is not None:
                lines.append(f"{key} = {quoted(value) if isinstance(value, str) else listed(value)}")
        if self.certificates is not None:
            lines.append("certificates = [" + ", ".join(f"{{ key = {quoted(key)} }}" for key in self.certificates) + "]")
        for key in ("extended_master_secret", "encrypt_then_mac", "server_name", "cleartext"):
            if getattr(self, key) is not None:
                lines.append(f"{key} = {quoted(getattr(self, key))}")
        if self.habits:
            lines += ["", "[accepts.habits]"] + [f"{key} = {quoted(value)}" for key, value in self.habits.items()]
        return "\n".join(lines) + "\n"


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def listed(values):
    return "[" + ", ".join(quoted(v) for v in values) + "]"


def versions_between(least, most):
    return VERSIONS[VERSIONS.index(least):VERSIONS.index(most) + 1]
