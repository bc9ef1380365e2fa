"""Starts redis and the processes of the Procfile, or those alone that are named; restarts what dies, stops in order.

One thread and one loop: a child dies with the thread that started it (PR_SET_PDEATHSIG), so no other may start one.
"""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol, TextIO, cast

from script.place import StartError, check_port, lock, redis_answers, web_is_alive, web_is_ready
from script.process import ROOT, Process

PATIENCE = 30.0  # between SIGTERM and SIGKILL
READY_WITHIN = 60.0
STAGES = (("web",), ("worker", "io"), ("dispatcher",), ("redis",))  # who is stopped before whom
REDIS_WARNS = re.compile(r"\d+:[A-Z] [^#]+ # WARNING")  # its greeting, too, is written at that level


class House(Protocol):
    """What is needed of the settings."""

    DATA_DIR: Path
    REDIS_SOCKET: Path
    REDIS_URL: str
    HOST: str
    PORT: int
    URL: str


class Supervisor:
    def __init__(self, processes: Iterable[Process], out: TextIO = sys.stdout, *, is_json: bool = False) -> None:
        self.processes = list(processes)
        self.out = out
        self.is_json = is_json
        self.signals = 0
        self.width = max(len(process.name) for process in self.processes)

    def listen(self) -> None:
        """The first SIGTERM or Ctrl-C stops in order, a second one at once."""
        for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if sign != signal.SIGHUP or signal.getsignal(sign) != signal.SIG_IGN:  # nohup asked for that
                signal.signal(sign, self._count)

    def _count(self, *_: object) -> None:
        self.signals += 1

    @property
    def stopping(self) -> bool:
        return self.signals > 0

    def say(self, text: str, name: str = "") -> None:
        # A terminal that has gone away must not keep us from stopping in order.
        with suppress(OSError):
            print(self.as_json(text, name) if self.is_json else self.as_text(text, name), file=self.out, flush=True)

    def as_text(self, text: str, name: str) -> str:
        return f"{name:{self.width}} | {text}" if name else text

    def as_json(self, text: str, name: str) -> str:
        """What is a line of JSON already also says which process wrote it."""
        process = {"process": name or "server"}
        if text.startswith("{") and text.endswith("}"):
            return f"{json.dumps(process)[:-1]}, {text[1:]}"
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        level = "warning" if REDIS_WARNS.match(text) else "info"
        return json.dumps({**process, "event": text.strip(), "level": level, "timestamp": now}, ensure_ascii=False)

    def start(self, *names: str) -> None:
        for process in self._named(names):
            process.start()

    def keep(self) -> None:
        """Until a signal comes, restart what dies."""
        while not self.stopping:
            self.turn()

    def turn(self) -> None:
        """A fifth of a second of passing lines on, burying and restarting."""
        self._pass_on(0.2)
        for process in self.processes:
            if process.popen is not None and not process.alive:
                self._report(process)
                status = process.bury()
                self.say(f"ended with status {status}; starting it again in {process.postpone():g} s", process.name)
            if process.popen is None and process.due and time.monotonic() >= process.due and not self.stopping:
                process.start()

    def stop(self) -> None:
        self.say("Stopping")
        staged = {name for stage in STAGES for name in stage}
        others = tuple(process.name for process in self.processes if process.name not in staged)
        for stage in (others, *STAGES):
            self._stop_all([process for process in self._named(stage) if process.popen is not None])

    def _stop_all(self, processes: list[Process]) -> None:
        for process in processes:
            process.send(signal.SIGTERM)
        end = time.monotonic() + PATIENCE
        while any(process.alive for process in processes) and time.monotonic() < end and self.signals < 2:
            self._pass_on(0.05)
        for process in processes:
            if process.alive:
                self.say("did not stop in time and is killed", process.name)
                process.send(signal.SIGKILL)
                assert process.popen
                process.popen.wait()
            self._report(process)
            process.bury()

    def _named(self, names: tuple[str, ...]) -> list[Process]:
        return [process for process in self.processes if process.name in names]

    def _pass_on(self, seconds: float) -> None:
        """Wait for lines, at most so long, and print them."""
        pipes = {
            process.popen.stdout.fileno(): process
            for process in self.processes
            if process.popen and process.popen.stdout and process.alive
        }
        for number in select.select(list(pipes), [], [], seconds)[0]:
            self._report(pipes[number])

    def _report(self, process: Process) -> None:
        for line in process.lines():
            self.say(line, process.name)


# ---- what is started -------------------------------------------------------------------------------------------------
def procfile() -> list[Process]:
    """The processes of the Procfile. `exec`, so that a signal reaches the process and not a shell."""
    lines = [line.partition(":") for line in (ROOT / "Procfile").read_text().splitlines() if line.strip()]
    return [Process(name, ["/bin/sh", "-c", f"exec {command.strip()}"]) for name, _, command in lines]


def named(names: list[str]) -> list[Process]:
    """Those of the Procfile with these names; all where there are none. The others run elsewhere: what they have in
    common must have an address then."""
    every = procfile()
    if unknown := set(names) - {process.name for process in every}:
        known = ", ".join(process.name for process in every)
        raise StartError(f"script/server knows no {min(unknown)}: name some of {known}, or none to start all.")
    for setting in ("DATABASE_URL", "REDIS_URL") if names else ():
        if not os.environ.get(setting):
            raise StartError(f"{setting} is not set: what runs on several machines needs the same one on each.")
    return [process for process in every if not names or process.name in names]


def redis_process(house: House) -> Process:
    server = shutil.which("redis-server")
    if not server:
        raise StartError("There is no redis-server: run script/setup, or set REDIS_URL.")
    flags = "--port 0 --unixsocketperm 700 --appendonly yes --maxmemory-policy noeviction --loglevel warning"
    place = ["--unixsocket", str(house.REDIS_SOCKET), "--dir", str(house.DATA_DIR)]
    return Process("redis", [server, *flags.split(), "--save", "", *place])


def wait_for(supervisor: Supervisor, name: str, answers: Callable[[], bool], seconds: float) -> None:
    """Let the processes run until one answers. A signal ends the waiting, too."""
    end = time.monotonic() + seconds
    while not supervisor.stopping and not answers():
        if time.monotonic() > end:
            tail = [line for process in supervisor.processes if process.name == name for line in process.tail]
            sentence = f"{name} was not ready after {seconds:.0f} seconds; above are the last lines that it wrote."
            raise StartError("\n".join([*tail, sentence]))
        supervisor.turn()


# ---- the whole -------------------------------------------------------------------------------------------------------
def read_settings() -> House:
    sys.path.insert(0, str(ROOT))
    try:
        from photoproc import settings
    except (ValueError, OSError) as error:
        raise StartError(f"The settings cannot be used: {error}") from None
    return cast(House, settings)


def tell_children(house: House) -> None:
    """Put the final settings into the environment, and this Python first on the PATH."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    os.environ.update(HOST=house.HOST, PORT=str(house.PORT), PHOTO_DATA_DIR=str(house.DATA_DIR))
    os.environ.update(PATH=path, PYTHONUNBUFFERED="1")
    os.environ.setdefault("PHOTO_LOG_FORMAT", "text" if sys.stdout.isatty() else "json")  # a person reads along


def first_user() -> str:
    """How to sign in; it makes the first user if there is none."""
    command = [sys.executable, "manage.py", "first_user"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StartError(f"The first user could not be made: {done.stderr.strip().splitlines()[-1]}")
    return (
        done.stdout.strip() or "Sign in with your account (forgotten: .venv/bin/python manage.py changepassword NAME)."
    )


def serve(house: House, wanted: list[str], stack: ExitStack) -> None:
    stack.enter_context(lock(house.DATA_DIR))
    processes = named(wanted)
    names = [process.name for process in processes]
    if "web" in names:
        check_port(house.HOST, house.PORT)
    tell_children(house)
    own_redis = not os.environ.get("REDIS_URL")
    if own_redis:
        processes.insert(0, redis_process(house))
    supervisor = Supervisor(processes, is_json=os.environ["PHOTO_LOG_FORMAT"] == "json")
    supervisor.listen()
    stack.callback(supervisor.stop)
    if own_redis:
        supervisor.start("redis")
        wait_for(supervisor, "redis", partial(redis_answers, house.REDIS_SOCKET), READY_WITHIN)
    if not supervisor.stopping:
        supervisor.start(*names)
        how_it_is = tell_web(supervisor, house) if "web" in names else f"photoproc runs {' and '.join(names)} here."
    if not supervisor.stopping:
        supervisor.say(f"\n{how_it_is}\nCtrl-C stops it.\n")
    supervisor.keep()


def tell_web(supervisor: Supervisor, house: House) -> str:
    """Where it is, once it is there, and how to sign in."""
    how = first_user()
    return f"{wait_for_web(supervisor, house)}\n{how}"


def wait_for_web(supervisor: Supervisor, house: House) -> str:
    """What is said of it: the pages work also while storage is away, and say so."""
    place = (house.HOST, house.PORT, house.URL)
    try:
        wait_for(supervisor, "web", partial(web_is_ready, *place), READY_WITHIN)
    except StartError:
        if not web_is_alive(*place):
            raise
        return f"photoproc runs at {house.URL}/, but is not ready: .venv/bin/python manage.py doctor says why."
    return f"photoproc is ready at {house.URL}/"


def main() -> None:
    try:
        with ExitStack() as stack:
            serve(read_settings(), sys.argv[1:], stack)
    except StartError as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
