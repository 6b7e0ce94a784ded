"""The project's own client for protocols of lines, on Python's ssl."""

from ..process import run
from .mail_client import name, read  # noqa: F401  (both clients tell of themselves in the same way)


def session(tools, client, address, port, *steps):
    """Runs one session; the steps are those of clients/line_client.py."""
    client.next_port()
    return read(run(client.enter(tools.python, "-W", "ignore", tools.clients / "line_client.py", address, port, *steps)))
