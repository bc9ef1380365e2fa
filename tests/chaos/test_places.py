"""What the house stands on is taken away under its load: its web process, Redis, SQLite, the disk."""

import time

import httpx
import pytest

from tests.chaos.conftest import Prove
from tests.chaos.harms import age, cut_off, locked, own_redis, refusing, web
from tests.chaos.load import SMALL, Sent, files, sums
from tests.chaos.test_processes import killed, stopped
from tests.chaos.world import SECONDS, World
from tests.chaos.worlds import AWAY, FLOOR, LEFT_BY_ALL, MB, OnItsDisk
from tests.house import House, wait_for
from tests.reliability.test_kills import photo

pytestmark = pytest.mark.xdist_group("chaos of places")

LEFT_BY_WEB = 20  # files of the requests that it had in hand
LARGE, EACH = 25, 8 * MB  # 200 MB


# ---- the web process, and Redis --------------------------------------------------------------------------------------


def test_the_web_process_ends_between_a_commit_and_its_nudge(world: World, prove: Prove) -> None:
    def harm(world: World) -> None:
        with stopped(own_redis(world.house)):  # whoever has committed waits a second or more for it
            last = newest(world.house)
            wait_for(lambda: newest(world.house) > last, 60, 0.01)
            end_web(world)
        wait_for(world.house.ready, 60)

    prove(world, "end the web process between a commit and its nudge", harm)


def newest(house: House) -> int:
    [(last,)] = house.rows("SELECT max(id) FROM processing_upload")
    return last or 0


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
            age(scratch.iterdir())

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

    prove(world, f"lock SQLite for {AWAY} s", harm)


# ---- the disk --------------------------------------------------------------------------------------------------------


def test_the_disk_is_full(world: OnItsDisk, prove: Prove) -> None:
    """First the door refuses what comes, as there is little room left; then there is none for anybody."""
    if not world.has_disk:
        pytest.skip("No disk can be made here.")

    def harm(world: OnItsDisk) -> None:
        world.may_leave = LEFT_BY_ALL
        with world.full(leaving=FLOOR // 2):
            photos = {"files": ("late.jpg", photo(0))}
            answer = httpx.post(f"{world.house.url}/api/v1/jobs", files=photos, headers=world.who, timeout=60)
            assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        with world.full():
            time.sleep(2 * SECONDS)

    prove(world, "the disk is full", harm)
