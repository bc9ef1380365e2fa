"""What the house stands on is taken away under its load: its web process, Redis, the database, the disk."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import postgres
from tests.chaos.conftest import Prove
from tests.chaos.harms import MB, age, cut_off, filled, locked, own_redis, refusing, small_disk, web
from tests.chaos.load import SMALL, Sent, files, sums
from tests.chaos.test_processes import killed, stopped
from tests.chaos.world import SECONDS, World
from tests.house import wait_for
from tests.postgres import Postgres
from tests.reliability.test_kills import photo

pytestmark = pytest.mark.xdist_group("chaos of places")

AWAY = 30.0  # seconds that the database is away: SQLite is waited for 20 s
LEFT_BY_WEB = 20  # files of the requests that it had in hand
LEFT_BY_ALL = 40  # of those and of both workers: who hears nothing of its commit leaves its files to the tidying
LARGE, EACH = 25, 8 * MB  # 200 MB
DISK = 400  # MB
FLOOR = 20  # MB


# ---- the web process, and Redis --------------------------------------------------------------------------------------


def test_the_web_process_ends_between_a_commit_and_its_nudge(world: World, prove: Prove) -> None:
    def harm(world: World) -> None:
        with stopped(own_redis(world.house)):  # whoever has committed waits a second or more for it
            [(last,)] = world.house.rows("SELECT max(id) FROM processing_upload")
            wait_for(lambda: world.house.rows(f"SELECT 1 FROM processing_upload WHERE id > {last or 0}"), 60, 0.01)
            end_web(world)
        wait_for(world.house.ready, 60)

    prove(world, "end the web process between a commit and its nudge", harm)


def end_web(world: World) -> None:
    killed(world, web(world.house))
    world.may_leave += LEFT_BY_WEB


def test_redis_takes_no_nudge(world: World, prove: Prove) -> None:
    def harm(world: World) -> None:
        with refusing(world.house):
            time.sleep(SECONDS)

    prove(world, "Redis refuses every nudge for a while", harm)


def test_the_web_process_is_killed_in_the_middle_of_200_mb(world: World, prove: Prove) -> None:
    """Nothing of it is there then, the tidying leaves no stray file, and the same sent again is taken once."""

    def harm(world: World) -> None:
        photos = {f"large-{number}.jpg": large(world) for number in range(LARGE)}
        sent = Sent("200 MB", sums(photos), SMALL["size"])
        headers = {**world.who, "Idempotency-Key": sent.key}
        scratch = world.folder / "tmp"

        def broken_off() -> None:
            wait_for(lambda: sum(part.stat().st_size for part in scratch.glob("*.part")) > LARGE * EACH // 3, 60)
            end_web(world)
            age(scratch)

        with httpx.Client(headers=headers, timeout=120) as client:
            whole = client.build_request("POST", f"{world.house.url}/api/v1/jobs", data=SMALL, files=files(photos))
            cut_off(client, whole, broken_off, after=LARGE * EACH // 2)
            of_it = f"SELECT 1 FROM processing_upload WHERE name LIKE 'large-%' AND id > {world.last_upload}"
            assert not world.house.rows(of_it)
            wait_for(world.house.ready, 60)
            assert not [part for part in scratch.glob("*.part") if part.stat().st_mtime < time.time() - 3600]
            answer = client.send(whole)
        assert answer.status_code == 202, answer.text
        sent.job = answer.json()["job_id"]
        world.sent.append(sent)

    prove(world, "kill the web process in the middle of 200 MB", harm)


def large(world: World) -> bytes:
    """What follows a JPEG's end belongs to no picture."""
    return photo(world.rng.getrandbits(60)).ljust(EACH, b"\0")


# ---- the database ----------------------------------------------------------------------------------------------------


def test_sqlite_is_locked(world: World, prove: Prove) -> None:
    if world.house.database:
        pytest.skip("This house is on PostgreSQL.")

    def harm(world: World) -> None:
        world.may_leave = LEFT_BY_ALL
        with locked(world.house):
            time.sleep(AWAY)

    prove(world, f"lock SQLite for {AWAY:.0f} s", harm)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    if postgres.programs() is None:
        pytest.skip("There is no PostgreSQL.")
    made = postgres.start(tmp_path_factory.mktemp("postgres"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def on_postgres(database: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"), DATABASE_URL=f"{database.url}?connect_timeout=2")
    yield made
    made.stop()


def test_postgresql_is_stopped(on_postgres: World, database: Postgres, prove: Prove) -> None:
    def harm(world: World) -> None:
        world.may_leave = LEFT_BY_ALL
        database.freeze()
        time.sleep(AWAY)
        database.thaw()

    prove(on_postgres, f"stop PostgreSQL for {AWAY:.0f} s", harm)


def test_postgresql_is_killed(on_postgres: World, database: Postgres, prove: Prove) -> None:
    def harm(world: World) -> None:
        world.may_leave = LEFT_BY_ALL
        database.kill()
        time.sleep(SECONDS)
        database.begin()

    prove(on_postgres, "kill PostgreSQL, which begins anew", harm)


# ---- the disk --------------------------------------------------------------------------------------------------------


@pytest.fixture
def on_a_small_disk(tmp_path: Path) -> Iterator[World]:
    """Photos, SQLite, Redis and the log lie on it."""
    if os.geteuid() != 0:
        pytest.skip("Only root may make a disk.")
    with small_disk(tmp_path, DISK):
        made = World(tmp_path, PHOTO_FREE_SPACE_FLOOR_MB=str(FLOOR))
        try:
            yield made
        finally:
            made.stop()


def test_the_disk_is_full(on_a_small_disk: World, prove: Prove) -> None:
    """First the door refuses what comes, as there is little room left; then there is none for anybody."""

    def harm(world: World) -> None:
        world.may_leave = LEFT_BY_ALL
        with filled(world.folder, leaving=FLOOR * MB // 2):
            photos = {"files": ("late.jpg", photo(0))}
            answer = httpx.post(f"{world.house.url}/api/v1/jobs", files=photos, headers=world.who, timeout=60)
            assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        with filled(world.folder):
            time.sleep(2 * SECONDS)

    prove(on_a_small_disk, "the disk is full", harm)
