"""What one endpoint said of one connection, in the contract's words."""

from dataclasses import dataclass

from . import ciphers


@dataclass
class Said:
    text: str = ""            # all of its output
    line: str = ""            # the decisive line or lines
    version: str | None = None
    cipher: str | None = None
    group: str | None = None
    resumed: bool | None = None
    alpn: str | None = None
    ems: bool | None = None
    port: int | None = None   # the client's
    expectation: dict | None = None  # where the fields do not follow the pattern of TLS over TCP

    def expect(self, **more):
        """The flow record's fields that follow from what was said; `more` is what the scenario fixes."""
        fields = {}
        if self.version:
            fields = {"carrier": "tls", "outcome": "negotiated", "negotiated_version": ciphers.version(self.version),
                      "negotiated_source": "server-hello"}
            if self.cipher:
                fields["cipher_suite"] = ciphers.iana(self.cipher)
            # A session resumed in TLS 1.2 names the group of the one that it resumes; none is on the wire.
            if self.group and (not self.resumed or fields["negotiated_version"] == "TLS 1.3"):
                fields["named_group"] = ciphers.group(self.group)
            if self.resumed is not None:
                fields["resumed"] = self.resumed
            if self.alpn and fields["negotiated_version"] != "TLS 1.3":  # TLS 1.3 encrypts the server's answer.
                fields["alpn"] = self.alpn
            if self.ems is not None:
                fields["extended_master_secret"] = self.ems
        fields.update(more)
        return fields


def pick(text, *needles):
    """The lines of `text` that hold one of `needles`, joined: what goes into the truth as evidence."""
    found = [line.strip() for line in text.splitlines() if any(n in line for n in needles)]
    return " | ".join(dict.fromkeys(found))
