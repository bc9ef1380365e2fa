"""Several machines on one: hosts out of namespaces, on a network that nobody else can see.

Nothing of it has a name that could collide, and nothing stays: the bridge lies in a network namespace that this thread
enters for as long as it is needed, and a host lives as long as its first process, which ends when its input does, at
the latest with us.
"""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.environment import COMMON, ROOT

BRIDGE = "bridge"
MASK = 24  # bits; every address is in one network
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
NAMESPACES = ("--net", "--uts", "--mount", "--pid")
MAKE = ["unshare", *NAMESPACES, "--fork", "--kill-child", "--mount-proc"]
TRIAL = (
    f"hostname trial && mount -o remount,bind,ro / && ip link add {BRIDGE} type bridge && ip link add trial type veth"
)
# All that can be written is the host's own folder, which lies over those of the others, and the packages: numba keeps
# what it has compiled beside them.
BEGIN = """
hostname "$1"
mount --bind "$2" "$3"
mount --bind "$4" "$4"
mount -o remount,bind,ro /
echo
exec cat > /dev/null
"""


def why_not() -> str:
    """Why no hosts can be made here; empty where they can."""
    if os.geteuid() != 0:
        return "only root may make them"
    lacking = [tool for tool in ("ip", "unshare", "nsenter", "mount", "hostname") if not shutil.which(tool)]
    if lacking:
        return f"there is no {lacking[0]}"
    done = subprocess.run([*MAKE, "sh", "-c", TRIAL], capture_output=True, text=True, check=False)
    return (done.stderr.strip().splitlines() or ["they cannot be made"])[-1] if done.returncode else ""


@contextmanager
def network(*addresses: str) -> Iterator[None]:
    """A bridge of our own that has these addresses. This thread, and what it starts, is there meanwhile."""
    with Path("/proc/thread-self/ns/net").open() as home:
        _done(LIBC.unshare(CLONE_NEWNET))
        try:
            _run("ip", "link", "set", "lo", "up")
            # Its own number: else it takes one of its ports', and another when that is unplugged.
            _run("ip", "link", "add", BRIDGE, "address", "02:00:00:00:00:01", "type", "bridge")
            for address in addresses:
                _run("ip", "address", "add", f"{address}/{MASK}", "dev", BRIDGE)
            _run("ip", "link", "set", BRIDGE, "up")
            yield
        finally:
            _done(LIBC.setns(home.fileno(), CLONE_NEWNET))


class Host:
    """A machine with an address, a name and a folder of its own. It is on from the start, and off in the end."""

    def __init__(self, name: str, address: str, hosts: Path, **settings: str) -> None:
        """`hosts` is where the folders of all hosts lie; in each, that place shows its own."""
        self.name, self.address, self.hosts = name, address, hosts
        self.folder = hosts / name
        self.log = self.folder / "log"
        self.env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PHOTO_DATA_DIR": str(hosts / "data"),
            "HOME": str(hosts / "home"), "TMPDIR": str(hosts / "tmp"), "PYTHON_DOTENV_DISABLED": "1", **COMMON,
            **settings,
        }  # fmt: skip
        for folder in ("data", "home", "tmp"):
            (self.folder / folder).mkdir(parents=True)
        self.started: list[subprocess.Popen[bytes]] = []
        self.on()

    def on(self) -> None:
        """Switch it on, as after a power cut: with all that is in its folder."""
        with self.log.open("ab") as log:
            self.holder = subprocess.Popen(
                [*MAKE, "sh", "-ec", BEGIN, "sh", self.name, str(self.folder), str(self.hosts), sys.prefix],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip
        assert self.holder.stdout
        assert self.holder.stdout.readline(), self.log.read_text()
        self.first = psutil.Process(self.holder.pid).children()[0]
        _run("ip", "link", "add", self.name, "type", "veth", "peer", "eth0", "netns", str(self.first.pid))
        _run("ip", "link", "set", self.name, "master", BRIDGE, "up")
        for words in ("link set lo up", f"address add {self.address}/{MASK} dev eth0", "link set eth0 up"):
            self.run("ip", *words.split())

    def off(self) -> None:
        """Every process of it is killed at once, and its network is gone."""
        if self.first.is_running():
            self.first.kill()
        for process in (self.holder, *self.started):
            process.wait(10)
        self.started.clear()
        for pipe in (self.holder.stdin, self.holder.stdout):
            assert pipe
            pipe.close()
        subprocess.run(["ip", "link", "delete", self.name], stderr=subprocess.DEVNULL, check=False)

    def cut(self) -> None:
        """Pull its cable: nobody is told, all that is sent is lost."""
        _run("ip", "link", "set", self.name, "down")

    def mend(self) -> None:
        _run("ip", "link", "set", self.name, "up")

    def start(self, *command: str) -> None:
        """In the background; what it writes goes to the log."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._inside(command), env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        self.started.append(process)

    def run(self, *command: str) -> str:
        """What it writes. Raises subprocess.CalledProcessError."""
        return _run(*self._inside(command), env=self.env)

    def _inside(self, command: tuple[str, ...]) -> list[str]:
        return ["nsenter", "--target", str(self.first.pid), *NAMESPACES, f"--wdns={ROOT}", *command]


def _run(*command: str, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def _done(status: int) -> None:
    if status:
        raise OSError(number := ctypes.get_errno(), os.strerror(number))
