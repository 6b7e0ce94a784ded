"""Runs one client program to its end, however it ends, within a bound of time."""

import os
import selectors
import signal
import subprocess
import time

PAGE = "the cut-over page"       # what every server says, and so what a client has that got through
PATH = "/page.html"
NAME = "www.cutover.example"      # what clients ask for, and certificates are made out to
REQUEST = f"GET {PATH} HTTP/1.0\r\nHost: {NAME}\r\n\r\n"


class Late(Exception):
    """The program did not come to an end in its time; says nothing of whether the handshake would have succeeded."""


def converse(words, said="", until=PAGE, seconds=20, env=None, cwd=None, close=False):
    """Gives (exit code, output). `said` goes to the program's standard input, which stays open until the program ends (unless `close`).

    Raises `Late` where it had to be ended before that. Programs that go on after what is waited for has come (`until`, a text or several) are given a second to end by themselves.
    """
    process = subprocess.Popen([str(w) for w in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env={**os.environ, **(env or {})}, cwd=cwd or "/", start_new_session=True)
    try:
        process.stdin.write(said.encode())
        process.stdin.flush()
        if close:
            process.stdin.close()
    except BrokenPipeError:
        pass  # It has gone already; its output tells why.
    output, end, seen = b"", time.monotonic() + seconds, False
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while (left := end - time.monotonic()) > 0:
            if not ready.select(left):
                continue
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                break
            output += chunk
            if not seen and any(words.encode() in output for words in ([until] if isinstance(until, str) else until or ())):
                seen, end = True, min(end, time.monotonic() + 1)
    try:
        process.stdin.close()
    except BrokenPipeError:
        pass
    try:
        process.wait(0.2 if end - time.monotonic() <= 0 else 2)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if not seen:
            raise Late(f"{words[-1]}: {output[-300:].decode('utf-8', 'replace')}")
    finally:
        process.stdout.close()
    return process.returncode, output.decode("utf-8", "replace")
