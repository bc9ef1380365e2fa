"""Processes are killed, stopped and asked to end, each at a random moment of a busy house: nothing is lost."""

import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import psutil
import pytest

from tests.chaos.conftest import Prove
from tests.chaos.harms import own_redis, talking
from tests.chaos.load import Sent, sums
from tests.chaos.world import LEASE, SECONDS, World
from tests.environment import ROOT
from tests.house import House, wait_for
from tests.pictures import picture
from tests.reliability.test_kills import pool, workers

pytestmark = pytest.mark.xdist_group("chaos of processes")

LEFT_BY_ONE = 6  # files that a worker may have in hand: a result, its extra sizes, what it unpacks
STOPPED = max(2 * LEASE, SECONDS)  # seconds
OVER = "status IN ('completed', 'failed')"


def at_work(house: House) -> list[psutil.Process]:
    return wait_for(lambda: workers(house), 60)


def killed(world: World, process: psutil.Process) -> None:
    """With what it has in hand."""
    world.may_leave += LEFT_BY_ONE * (1 + len(process.children()))
    with suppress(psutil.NoSuchProcess):  # it ended by itself, after so many photos
        process.kill()


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    """It does nothing, and the kernel goes on taking connections for it."""
    with suppress(psutil.NoSuchProcess):  # it ended by itself meanwhile
        process.suspend()
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def kill_one_of_each(world: World) -> None:
    killed(world, world.rng.choice(at_work(world.house)))
    world.pause()
    killed(world, world.rng.choice(wait_for(lambda: workers(world.house, io=True), 60)))


def test_a_worker_is_killed(world: World, prove: Prove) -> None:
    prove(world, "kill a worker, then one that fetches", kill_one_of_each)


def test_the_pool_is_killed(world: World, prove: Prove) -> None:
    prove(world, "kill the pool of workers", lambda world: killed(world, pool(world.house)))


def test_a_photo_kills_its_worker_three_times(world: World, prove: Prove) -> None:
    before, poisons = world.last_upload, list[int]()

    def harm(world: World) -> None:
        world.may_fail = {"worker_lost"}
        poison, claims = large(world), set[tuple[str]]()
        held = f"SELECT claim FROM processing_upload WHERE id = {poison} AND status = 'processing'"
        over = f"SELECT error_code FROM processing_upload WHERE id = {poison} AND {OVER}"

        def ends() -> list[tuple[str]]:
            """Each try ends as the worker is killed that says it has this photo in hand."""
            for process in with_in_hand(world.house, poison):
                with stopped(process):
                    if new := set(world.house.rows(held)) - claims:  # and it stays so
                        claims.update(new)
                        killed(world, process)
            return world.house.rows(over)

        ended = wait_for(ends, 120, 0.02)
        assert ended == [("worker_lost",)]
        poisons.append(poison)

    prove(world, "kill the worker three times on one photo", harm)
    lost = f"SELECT id FROM processing_upload WHERE error_code = 'worker_lost' AND id > {before} ORDER BY id"
    assert [pk for (pk,) in world.house.rows(lost)] == poisons, "their neighbours go on"


def with_in_hand(house: House, upload: int) -> list[psutil.Process]:
    """Those workers that said last that they work on this photo."""
    with talking(house) as client:
        signs = [json.loads(client.get(key) or "{}") for key in client.keys("photoproc:sign:*")]
    pids = {sign.get("pid") for sign in signs if sign.get("upload_id") == upload}
    return [process for process in workers(house) if process.pid in pids]


def large(world: World) -> int:
    """The id of a photo that takes seconds, so that its worker is caught at it."""
    data = picture(4096, 4096, colour=f"#{world.rng.getrandbits(24):06x}")
    sent = Sent("a large photo", sums({"large.jpg": data}))
    world.sent.append(sent)
    url, headers = f"{world.house.url}/api/v1/uploads", {**world.who, "Idempotency-Key": sent.key}
    told = httpx.post(url, files={"file": ("large.jpg", data)}, headers=headers, timeout=60).raise_for_status().json()
    sent.job = told["job_id"]
    return int(told["upload_id"])


def test_a_worker_is_stopped_for_longer_than_its_lease(world: World, prove: Prove) -> None:
    def harm(world: World) -> None:
        with stopped(at_work(world.house)[0]):
            time.sleep(STOPPED)

    prove(world, f"stop a worker for {STOPPED:g} s, longer than its lease, then let it go on", harm)


def test_everything_is_asked_to_end_twice(world: World, prove: Prove) -> None:
    def harm(world: World) -> None:
        house = world.house
        family = [house.supervisor, *house.supervisor.children(recursive=True)]
        world.may_leave += LEFT_BY_ONE * len(family)
        for _ in range(2):
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGTERM)
            time.sleep(world.rng.uniform(0, 1))
        house.stop()
        world.restart()

    prove(world, "SIGTERM to every process, twice", harm)


@pytest.mark.parametrize("forgets", [False, True])
def test_redis_is_killed(world: World, prove: Prove, forgets: bool) -> None:
    def harm(world: World) -> None:
        own_redis(world.house).kill()
        if forgets:
            kept = list(world.folder.glob("appendonly*"))
            assert kept
            for file in kept:
                shutil.rmtree(file) if file.is_dir() else file.unlink()

    prove(world, f"kill Redis, {'and its data is lost' if forgets else 'which keeps its data'}", harm)


def test_redis_is_stopped(world: World, prove: Prove) -> None:
    def harm(world: World) -> None:
        with stopped(own_redis(world.house)):
            time.sleep(STOPPED / 2)

    prove(world, f"stop Redis for {STOPPED / 2:g} s", harm)


def test_everything_is_there_twice(world: World, prove: Prove) -> None:
    """A second pool, a second dispatcher, each nudge sent again and again, and all people ask twice at once."""

    def harm(world: World) -> None:
        with second(world, "work") as pool, second(world, "work", "--io") as io, second(world, "dispatch"):
            wait_for(lambda: pool.children() and io.children(), 60)
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                world.house.change("UPDATE processing_upload SET nudged_at = NULL WHERE status = 'queued'")
                time.sleep(0.3)

    prove(world, "everything twice at once", harm, impatience=1.0)


@contextmanager
def second(world: World, *command: str) -> Iterator[psutil.Popen]:
    with (world.folder / "second.log").open("ab") as log:
        process = psutil.Popen(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=world.house.env, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
