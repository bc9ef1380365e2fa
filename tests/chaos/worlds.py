"""What houses stand on: a disk of their own, PostgreSQL, a bucket; and one that can do without its protections."""

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tests import bucket, postgres
from tests.chaos import unprotected
from tests.chaos.load import SECONDS
from tests.chaos.ways import WAYS, presigned, several
from tests.chaos.world import World
from tests.house import wait_for
from tests.relay import Relay

AWAY = 30 if SECONDS >= 4 else 12  # seconds that a database is away
PATIENCE = AWAY * 2 // 3  # for which SQLite is waited for: 20 s, as in a house in use, unless the run is a short one
LEFT_BY_ALL = 25  # files in hand: who hears nothing of its commit leaves them to the tidying
MB = 1_000_000
DISK = 2000 * MB  # of which only what is used takes memory
FLOOR = 20 * MB
PREFIX = "house/"  # of the keys in a bucket


class OnItsDisk(World):
    """Photos, SQLite, Redis and the log lie on a disk of their own, where one can be made: only root may do that."""

    def ground(self) -> dict[str, str]:
        self.has_disk = self._mount(f"size={DISK}", "-t", "tmpfs", "tmpfs")
        if self.has_disk:
            self.stack.callback(subprocess.run, ["umount", "--lazy", str(self.folder)], check=True)
        # All hosts that misbehave are one host here: a breaker would let their photos through one by one.
        hosts = {"PHOTO_FETCH_SECONDS": "4", "PHOTO_BREAKER_FAILURES": "16"}
        quick = {**hosts, "PHOTO_FREE_SPACE_FLOOR_MB": str(FLOOR // MB)}
        return {**quick, "DJANGO_SETTINGS_MODULE": "tests.chaos.settings", "PHOTO_CHAOS_PATIENCE": str(PATIENCE)}

    @contextmanager
    def full(self, *, leaving: int = 0) -> Iterator[None]:
        """This disk has so many bytes left, and has its room again in the end."""
        wait_for(lambda: self._mount(f"remount,size={self._used() + leaving}"), 30, 0.01)  # others write meanwhile
        try:
            yield
        finally:
            assert self._mount(f"remount,size={DISK}")

    def _used(self) -> int:
        return shutil.disk_usage(self.folder).used

    def _mount(self, options: str, *what: str) -> bool:
        command = ["mount", "-o", options, *what, str(self.folder)]
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0


class OnPostgres(World):
    def ground(self) -> dict[str, str]:
        self.database = postgres.start(self.folder)
        self.stack.callback(self.database.stop)
        return {"DATABASE_URL": f"{self.database.url}?connect_timeout=2"}


class InABucket(World):
    """Its files lie in a bucket, which it reaches by way of `relay`; people send straight into it, too."""

    ways = (*WAYS, *[presigned] * len(WAYS))

    def ground(self) -> dict[str, str]:
        self.bucket = bucket.start(self.folder)
        self.stack.callback(self.bucket.stop)
        self.relay = Relay(int(self.bucket.endpoint.rpartition(":")[2]))
        self.stack.callback(self.relay.kill)
        return {"STORAGE_URL": self.bucket.address(PREFIX, endpoint=f"http://127.0.0.1:{self.relay.port}")}

    def stored(self) -> set[str]:
        return {key.removeprefix(PREFIX) for key in self.bucket.keys(PREFIX)}

    def tidy_away(self, keys: Iterable[str]) -> None:
        """By hand: nothing in a bucket can be made older."""
        for key in keys:
            self.bucket.client.delete_object(Bucket=self.bucket.name, Key=PREFIX + key)


class Unprotected(World):
    ways = (several,)

    def ground(self) -> dict[str, str]:
        return {"DJANGO_SETTINGS_MODULE": "tests.chaos.unprotected"}

    @contextmanager
    def without(self, protection: str) -> Iterator[None]:
        file = self.folder / unprotected.FILE
        file.write_text(protection)
        try:
            yield
        finally:
            file.unlink()
