"""One process that script/supervise.py keeps alive: started, heard, and buried when it dies."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST_DELAY, LAST_DELAY = 0.5, 15.0  # seconds before a restart, doubled from death to death
HEALTHY = 20.0  # after so many seconds alive, a death is the first one again
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with(parent: int) -> Callable[[], None]:
    """To be called in the child: the kernel kills it when the supervisor dies, even by kill -9."""

    def ask() -> None:
        if LIBC is not None:
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before we could ask
                os._exit(1)

    return ask


@dataclass
class Process:
    name: str
    command: list[str]
    delay: float = FIRST_DELAY
    due: float = 0.0
    popen: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    partial: bytes = b""
    tail: "deque[str]" = field(default_factory=lambda: deque(maxlen=15))

    def start(self) -> None:
        self.popen = subprocess.Popen(
            self.command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal reaches the supervisor alone: it stops in order
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509  there is one thread
        )
        self.started = time.monotonic()
        assert self.popen.stdout
        os.set_blocking(self.popen.stdout.fileno(), False)

    @property
    def alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def send(self, sign: signal.Signals) -> None:
        if self.popen is not None and self.alive:
            self.popen.send_signal(sign)

    def lines(self) -> list[str]:
        """The whole lines that it has written since the last look."""
        if self.popen is None or self.popen.stdout is None or self.popen.stdout.closed:
            return []
        ended = not self.alive  # looked at first: what comes after this is read the next time
        *whole, self.partial = (self.partial + (self.popen.stdout.read() or b"")).split(b"\n")
        if ended and self.partial:
            whole, self.partial = [*whole, self.partial], b""
        lines = [line.decode(errors="replace") for line in whole]
        self.tail.extend(lines)
        return lines

    def bury(self) -> int:
        """Clear up after a death, what it left behind in its session included; the exit status."""
        assert self.popen
        assert self.popen.stdout
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.stdout.close()
        status, self.popen, self.partial = self.popen.wait(), None, b""
        return status

    def postpone(self) -> float:
        """How long to wait before the next start: longer from death to death, until it has lived for a while."""
        now = time.monotonic()
        delay = FIRST_DELAY if now - self.started > HEALTHY else self.delay
        self.due, self.delay = now + delay, min(2 * delay, LAST_DELAY)
        return delay
