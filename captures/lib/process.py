"""Long-running helpers (servers, the recorder): started, waited for, and ended by their own id."""

import os
import signal
import subprocess
import threading
import time


class Background:
    """A process whose output is kept; ended when its `with` block is left."""

    def __init__(self, words, ready=None, stdin=None, env=None, cwd=None, end_signal=signal.SIGTERM):
        self.words, self.ready, self.end_signal = [str(w) for w in words], ready, end_signal
        self._lines, self._lock = [], threading.Lock()
        self.process = subprocess.Popen(
            self.words, stdin=subprocess.PIPE if stdin is None else stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=env and {**os.environ, **env}, cwd=cwd, start_new_session=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        if self.ready:
            self.wait_for(self.ready)
        return self

    def __exit__(self, *_):
        self.stop()

    def _read(self):
        for line in self.process.stdout:
            with self._lock:
                self._lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))

    @property
    def lines(self):
        with self._lock:
            return list(self._lines)

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait_for(self, what, seconds=15, after=0):
        """Waits until a line holds `what`; gives that line back."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.lines[after:]:
                if what in line:
                    return line
            if self.process.poll() is not None and not self._reader.is_alive():
                break
            time.sleep(0.02)
        raise RuntimeError(f"{' '.join(self.words)}: no {what!r} within {seconds} s\n{self.text[-3000:]}")

    def write(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def stop(self, seconds=5):
        if self.process.poll() is None:
            os.killpg(self.process.pid, self.end_signal)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self._reader.join(2)


def run(words, stdin="", seconds=30, env=None, cwd=None):
    """Runs a client to its end and gives back what it printed, standard error included.

    `stdin` is a text, or a list of (seconds to wait, text) pairs for clients that must be fed slowly.
    """
    script = [(0, stdin)] if isinstance(stdin, str) else stdin
    process = subprocess.Popen([str(w) for w in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env=env and {**os.environ, **env}, cwd=cwd, start_new_session=True)

    def feed():
        try:
            for delay, text in script:
                time.sleep(delay)
                process.stdin.write(text.encode())
                process.stdin.flush()
            process.stdin.close()
        except (BrokenPipeError, OSError):
            pass  # The client has gone; what it said is what counts.

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    killer = threading.Timer(seconds, lambda: process.poll() is None and os.killpg(process.pid, signal.SIGKILL))
    killer.start()
    output = process.stdout.read()
    process.wait()
    killer.cancel()
    feeder.join(1)
    return output.decode("utf-8", "replace")
