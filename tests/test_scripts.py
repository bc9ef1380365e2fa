"""The supervisor behind script/server, with small stand-ins for its processes; and the first user."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from processing import reach
from script import place, prepare, supervise
from script import process as processes
from script.place import StartError
from script.process import Process
from script.supervise import Supervisor
from tests.environment import ROOT

LIVES = "while :; do sleep 0.05; done"


def shell(name: str, script: str) -> Process:
    return Process(name, ["/bin/sh", "-c", script])


def until(holds: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Watched(Supervisor):
    """A supervisor whose words can be read."""

    def __init__(self, *processes: Process) -> None:
        self.words = io.StringIO()
        super().__init__(processes, self.words)
        self.start(*(process.name for process in processes))

    def until_it_says(self, text: str) -> None:
        end = time.monotonic() + 10
        while text not in self.words.getvalue():
            assert time.monotonic() < end, self.words.getvalue()
            self.turn()


@pytest.fixture
def watched() -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def make(*processes: Process) -> Watched:
        made.append(Watched(*processes))
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop()


def test_lines_come_through_whole_and_named(watched: Callable[..., Watched]) -> None:
    supervisor = watched(shell("web", f"printf 'half '; sleep 0.4; echo line; printf end; {LIVES}"), shell("io", LIVES))
    supervisor.until_it_says("line")
    assert supervisor.words.getvalue() == "web | half line\n"


def test_what_dies_is_started_again(watched: Callable[..., Watched], tmp_path: Path) -> None:
    supervisor = watched(shell("web", f"echo pid $$ >> {tmp_path}/born; printf bye; exit 3"))
    supervisor.until_it_says("bye\nweb | ended with status 3; starting it again in 0.5 s")
    supervisor.until_it_says("starting it again in 1 s")
    assert len((tmp_path / "born").read_text().splitlines()) == 2


def test_the_wait_before_a_restart_grows_and_shrinks_again() -> None:
    process = shell("web", "")
    process.started = time.monotonic()
    assert [process.postpone() for _ in range(7)] == [0.5, 1, 2, 4, 8, 15, 15]
    process.started -= processes.HEALTHY + 1
    assert process.postpone() == 0.5


def test_everything_stops_in_order(watched: Callable[..., Watched], tmp_path: Path) -> None:
    names = ["redis", "dispatcher", "worker", "web"]
    log = tmp_path / "stopped"
    stubs = [shell(name, f"trap 'echo {name} >> {log}; exit' TERM; echo up; {LIVES}") for name in names]
    supervisor = watched(*stubs)
    for stub in stubs:
        supervisor.until_it_says(f"{stub.name:10} | up")
    supervisor.stop()
    assert log.read_text().split() == ["web", "worker", "dispatcher", "redis"]


def test_what_does_not_heed_is_killed(watched: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "PATIENCE", 0.3)
    supervisor = watched(shell("web", f"trap '' TERM; echo $$; {LIVES}"))
    supervisor.until_it_says("\n")
    pid = int(supervisor.words.getvalue().split()[-1])
    supervisor.stop()
    assert gone(pid)
    assert "did not stop in time" in supervisor.words.getvalue()


def test_what_a_process_leaves_behind_is_cleared_up(watched: Callable[..., Watched]) -> None:
    supervisor = watched(shell("worker", "sleep 1000 & echo $!; kill -9 $$"))
    supervisor.until_it_says("ended with status -9")
    left = int(supervisor.words.getvalue().split()[2])
    until(lambda: gone(left))


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_children_die_with_a_killed_supervisor() -> None:
    code = f"""
from script.process import Process
from script.supervise import Supervisor
supervisor = Supervisor([Process("web", ["/bin/sh", "-c", "trap '' TERM; echo $$; {LIVES}"])])
supervisor.start("web")
supervisor.keep()
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout
        child = int(supervisor.stdout.readline().split()[-1])
        assert not gone(child)
        supervisor.kill()
        until(lambda: gone(child))


SERVER = """
import sys
from script import process as processes
from script import supervise
web = '''
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
'''
supervise.procfile = lambda: [processes.Process("web", [sys.executable, "-c", web])]
supervise.first_user = lambda: "Sign in as admin."
supervise.main()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("depth", [1, 120], ids=["short path", "path too long for a socket"])
def test_the_server_starts_redis_and_web_says_when_it_is_ready_and_leaves_nothing(tmp_path: Path, depth: int) -> None:
    data = tmp_path / ("d" * depth)
    data.mkdir()
    (data / "redis.sock").touch()  # left by a machine that lost its power
    environment = {**os.environ, "PHOTO_DATA_DIR": str(data), "PORT": str(free_port())}
    environment.pop("REDIS_URL", None)
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        said = ""
        while "Ctrl-C" not in said:
            line = server.stdout.readline()
            assert line, said
            said += line
        assert f"ready at http://127.0.0.1:{environment['PORT']}/" in said
        assert "Sign in as admin." in said
        children = psutil.Process(server.pid).children(recursive=True)
        assert {"redis-server"} <= {child.name() for child in children}
        second = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert (
            second.stderr
            == f"photoproc already runs on {data}: stop that one, or set PHOTO_DATA_DIR to another folder.\n"
        )
        server.send_signal(signal.SIGTERM)
        assert server.wait(15) == 0
    assert all(gone(child.pid) for child in children)


def test_a_port_in_use_is_told_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"cannot listen on 127.0.0.1, port {port} .*set HOST or PORT"):
            place.check_port("127.0.0.1", port)
    place.check_port("127.0.0.1", port)


def test_a_missing_redis_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from photoproc import settings

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match="no redis-server: run script/setup"):
        supervise.redis_process(settings)


def test_what_never_gets_ready_ends_with_its_last_lines(watched: Callable[..., Watched]) -> None:
    supervisor = watched(shell("web", f"echo no database; {LIVES}"))
    with pytest.raises(StartError, match=r"(?s)no database\nweb was not ready after 0 seconds"):
        supervise.wait_for(supervisor, "web", lambda: place.web_is_ready("127.0.0.1", 1, "http://x"), 0.3)


def test_the_socket_moves_only_where_the_path_is_too_long() -> None:
    from photoproc.settings import _socket

    assert _socket(Path("/srv/photos")) == Path("/srv/photos/redis.sock")
    short = _socket(Path("/srv") / ("d" * 120))
    assert len(str(short)) < 100
    assert short.parent.stat().st_mode & 0o777 == 0o700
    short.parent.rmdir()


def test_every_process_of_the_procfile_has_its_place_in_the_order() -> None:
    names = {process.name for process in supervise.procfile()}
    assert names | {"redis"} == {name for stage in supervise.STAGES for name in stage}


def test_a_machine_may_run_some_of_the_processes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(setting, raising=False)
        with pytest.raises(
            StartError, match=f"^{setting} is not set: what runs on several machines needs the same one"
        ):
            supervise.named(["worker", "io"])
        monkeypatch.setenv(setting, "somewhere")
    assert [process.name for process in supervise.named(["io", "worker"])] == ["worker", "io"]
    with pytest.raises(StartError, match="knows no wrker: name some of web, worker, io, dispatcher, or none"):
        supervise.named(["wrker"])
    assert len(supervise.named([])) == 4


def test_workers_alone_need_no_port_no_first_user_and_no_redis_of_their_own(tmp_path: Path) -> None:
    code = f"""
import sys
from script import process as processes
from script import supervise
supervise.procfile = lambda: [processes.Process(name, ["/bin/sh", "-c", "echo up; {LIVES}"]) for name in ("web", "io")]
sys.argv[1:] = ["io"]
supervise.main()
"""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        env = {
            **os.environ, "PHOTO_DATA_DIR": str(tmp_path), "PORT": str(taken.getsockname()[1]),
            "PHOTO_LOG_FORMAT": "text", "DATABASE_URL": "postgres://db/photo", "REDIS_URL": "redis://redis",
        }  # fmt: skip
        command = [sys.executable, "-c", code]
        with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            said = [server.stdout.readline() for _ in range(4)]
            server.send_signal(signal.SIGTERM)
            assert server.wait(15) == 0
    assert "photoproc runs io here.\n" in said
    assert "Ctrl-C stops it.\n" in said


WRONG = {
    "DATABASE_URL=nonsense": "The settings cannot be used: DATABASE_URL must begin with postgres:// or sqlite:///.",
    "DATABASE_URL=postgres://127.0.0.1:1/x": "The database cannot be used at 127.0.0.1:1/x: nothing listens there.",
    "REDIS_URL=redis://:geheim@127.0.0.1:1": "Redis cannot be used at 127.0.0.1:1: nothing listens there.",
}


@pytest.mark.parametrize(("setting", "sentence"), WRONG.items())
def test_a_wrong_address_is_told_in_a_sentence_before_anything_is_started(
    tmp_path: Path, setting: str, sentence: str
) -> None:
    env = {**os.environ, "PHOTO_DATA_DIR": str(tmp_path), **dict([setting.split("=", 1)])}
    command = [sys.executable, "script/prepare.py", "redis", "database"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert "Traceback" not in done.stderr
    assert "geheim" not in done.stderr


def test_a_house_starts_while_its_storage_is_away_but_never_with_files_of_another_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def look(error: reach.Away) -> str:
        raise error

    prepare.tell(lambda: look(reach.Away("It is away.", "Start it.")))
    assert capsys.readouterr().err == "It is away. Start it.\n"
    with pytest.raises(reach.Elsewhere):
        prepare.tell(lambda: look(reach.Elsewhere("The files lie elsewhere.", "Set it.")))


# ---- the first user --------------------------------------------------------------------------------------------------
def first_user() -> str:
    out = io.StringIO()
    call_command("first_user", stdout=out)
    return out.getvalue()


def test_the_first_user_gets_a_random_password_that_is_told_once(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PHOTO_ADMIN_PASSWORD", raising=False)
    told = first_user()
    password = told.partition("with the password ")[2].split()[0]
    admin = User.objects.get()
    assert admin.is_superuser
    assert admin.check_password(password)
    assert first_user() == ""
    assert User.objects.get().check_password(password)


def test_the_first_password_can_be_chosen_and_is_not_told(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTO_ADMIN_PASSWORD", "a-chosen-one")
    assert "a-chosen-one" not in first_user()
    assert User.objects.get(username="admin").check_password("a-chosen-one")


def test_there_is_no_first_user_where_there_is_one(alice: User) -> None:
    assert first_user() == ""
    assert User.objects.get() == alice
