"""As many workers as are wanted, real processes, and no nudge lost when there are fewer or more."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.utils import timezone

from processing import crew, queue
from processing.pool import STOPS, Place, Pool, why
from processing.worker import HARD_EXIT, MEMORY_EXIT, Keeper
from tests import light

PHOTOS = 400  # so many that they last while the pool changes


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[int]:
    """The number that is wanted; of a house with two cores, whose pool looks all the time."""
    size = [1]
    settings.CORES = 2
    settings.WORKER_MEMORY = 10**12  # the tests' own process, of which they are copies, may be large
    monkeypatch.setattr("processing.pool.LOOK", 0)
    monkeypatch.setattr("processing.pool.crew.wanted", lambda name: size[0])
    monkeypatch.setattr("processing.pool.use_threads", lambda count: None)
    monkeypatch.setattr("processing.worker.keeper", Keeper())
    monkeypatch.setattr("processing.queue.NUDGES", {light.NOTE})
    return size


@pytest.fixture
def pool(wanted: list[int]) -> Iterator[Pool]:
    queue.connection().flushdb()
    before = {number: signal.getsignal(number) for number in STOPS}
    made = Pool(queue.PHOTOS)
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)
    for pid in made.children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    queue.connection().flushdb()


def until(pool: Pool, what: Callable[[], bool], seen: list[int] | None = None) -> None:
    """The pool at work until this is so; `seen` are the threads that there were."""
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        pool.adapt()
        if seen is not None:
            seen.append(threads(pool))
        pool.reap()
        time.sleep(0.01)


def staying(pool: Pool) -> dict[int, int]:
    """The numbers of the workers that nobody asked to stop, and their threads."""
    return {child.place.number: child.threads for child in pool.staying().values()}


def test_a_pool_grows_and_shrinks_and_loses_nothing(pool: Pool, wanted: list[int], settings: Any) -> None:
    settings.PHOTOS_PER_WORKER = PHOTOS  # none makes way for a fresh one meanwhile
    queue.send(queue.PHOTOS, light.NOTE, range(PHOTOS))
    until(pool, lambda: len(light.done()) >= 10)
    assert staying(pool) == {1: 2}
    wanted[0] = 3
    until(pool, lambda: staying(pool) == {1: 1, 2: 1, 3: 1})
    until(pool, lambda: len(crew.at_work(queue.PHOTOS)) == 3)
    assert len(light.done()) < PHOTOS
    wanted[0] = 2
    until(pool, lambda: len(pool.children) == 2 and staying(pool) == {1: 1, 2: 1})
    until(pool, lambda: len(light.done()) >= PHOTOS)
    assert sorted(light.done()) == list(range(PHOTOS))
    assert crew.losses() == []


def test_workers_and_threads_never_exceed_the_cores(pool: Pool, wanted: list[int], settings: Any,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    most: list[int] = []
    settings.CORES = 8
    monkeypatch.setattr("processing.pool.work", until_asked)
    for wanted[0] in (2, 8, 3, 1):
        until(pool, lambda: len(staying(pool)) == len(pool.children) == wanted[0], most)
        assert threads(pool) == {2: 8, 8: 8, 3: 6, 1: 8}[wanted[0]]
    assert max(most) == 8


def test_a_spare_worker_takes_what_somebody_waits_for_and_nothing_else(pool: Pool, settings: Any) -> None:
    settings.SPARE_WORKERS = 1
    until(pool, lambda: bool(crew.at_work(queue.PHOTOS) and crew.at_work(queue.SOON)))
    (spare,) = crew.at_work(queue.SOON)
    (usual,) = crew.at_work(queue.PHOTOS)
    assert (spare.name, usual.name) == ("spare1", "w1")
    os.kill(usual.pid, signal.SIGSTOP)
    queue.send(queue.PHOTOS, light.NOTE, [1])
    queue.send(queue.SOON, light.NOTE, [2])
    until(pool, lambda: light.done() == [2])
    os.kill(usual.pid, signal.SIGCONT)
    until(pool, lambda: light.done() == [2, 1])


def test_where_no_worker_is_wanted_none_is_spare(pool: Pool, settings: Any) -> None:
    settings.SPARE_WORKERS = pool.size = 1
    assert pool.places() == [Place(queue.PHOTOS, 1), Place(queue.SOON, 1)]
    pool.size = 0
    assert pool.places() == []


def test_a_worker_that_has_nothing_else_to_do_takes_what_is_for_the_spare_ones(pool: Pool) -> None:
    queue.send(queue.SOON, light.NOTE, [1])
    queue.send(queue.PHOTOS, light.NOTE, [2, 3])
    until(pool, lambda: len(light.done()) == 3)
    assert light.done() == [2, 3, 1]


def threads(pool: Pool) -> int:
    return sum(child.threads for child in pool.children.values())


def until_asked(name: str, number: int) -> int:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        signal.pause()


def test_a_killed_worker_is_replaced_and_told_as_a_loss(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.pool.work", until_asked)
    until(pool, lambda: bool(pool.children))
    (first,) = pool.children
    crew.say(crew.Sign("w1", queue.PHOTOS, socket.gethostname(), first, timezone.now(), 0, 0, upload_id=None))
    os.kill(first, signal.SIGKILL)
    until(pool, lambda: bool(pool.children.keys() - {first}))
    assert staying(pool) == {1: 2}
    assert crew.at_work(queue.PHOTOS) == []  # the new one has said nothing yet
    (loss,) = crew.losses()
    assert (loss.name, "SIGKILL" in loss.why) == ("w1", True)


def test_a_worker_that_is_replaced_as_planned_is_no_loss(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.pool.work", lambda name, number: 0)
    until(pool, lambda: pool.pause_until > 0)
    assert crew.losses() == []


def test_a_pool_does_not_spin_where_its_workers_end_at_once(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.pool.work", lambda name, number: 1)
    until(pool, lambda: bool(crew.losses()))
    pool.adapt()
    assert not pool.children
    pool.pause_until = 0
    pool.adapt()
    assert len(pool.children) == 1


@pytest.mark.parametrize(("code", "words"), [
    (HARD_EXIT, "longer than 300 s"), (MEMORY_EXIT, "more than 2,000 MB"), (-signal.SIGKILL, "short of memory"),
    (-signal.SIGSEGV, "SIGSEGV"), (1, "exit code 1"),
])  # fmt: skip
def test_a_loss_says_why(code: int, words: str) -> None:
    assert words in why(code)


def test_a_worker_hears_what_it_is_told_before_it_can_listen(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        if not (pid := real()):
            os.kill(os.getpid(), signal.SIGTERM)
        return pid

    real = os.fork
    monkeypatch.setattr("os.fork", fork)
    monkeypatch.setattr("processing.pool.work", until_asked)
    signal.signal(signal.SIGTERM, pool.stop)
    pool.look()
    pool.start(Place(queue.PHOTOS, 1))
    (first,) = pool.children
    until(pool, lambda: first not in pool.children)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


def test_a_pool_that_is_asked_to_stop_takes_its_workers_along(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.pool.work", until_asked)
    until(pool, lambda: bool(pool.children))
    pool.stop(signal.SIGTERM, None)
    pool.run()
    assert not pool.children
    assert crew.losses() == []


# ---- how many are wanted --------------------------------------------------------------------------------------------


def test_what_an_operator_set_is_wanted(olga: User, settings: Any) -> None:
    settings.WORKERS, settings.IO_WORKERS = 4, 3
    assert (crew.wanted(queue.PHOTOS), crew.wanted(queue.IO)) == (4, 3)
    crew.want(queue.PHOTOS, 2, olga)
    crew.want(queue.PHOTOS, 5, olga)
    assert (crew.wanted(queue.PHOTOS), crew.wanted(queue.IO)) == (5, 3)


def test_a_pool_stays_as_it_is_while_the_database_is_away(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(name: str) -> int:
        raise OperationalError("away")

    before = pool.size
    monkeypatch.setattr("processing.pool.crew.wanted", away)
    pool.look()
    assert pool.size == before


@pytest.mark.parametrize("name", [queue.PHOTOS, queue.IO])
def test_no_kind_of_work_is_begun_where_there_is_no_room_for_it(
    name: str, wanted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processing.pool.scratch.trouble", lambda: "1 MB free")
    pool = Pool(name)
    pool.look()
    assert (pool.size, pool.wanted) == (0, 1)


def test_where_there_is_no_room_to_work_in_no_worker_is_kept_and_it_is_told(
    pool: Pool, wanted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    until(pool, lambda: len(crew.at_work(queue.PHOTOS)) == 1)
    monkeypatch.setattr("processing.pool.scratch.trouble", lambda: "1 MB free")
    until(pool, lambda: not pool.children)
    (machine,) = crew.machines(queue.PHOTOS)
    assert (machine.size, machine.trouble) == (0, "1 MB free")
    assert crew.losses() == []
    monkeypatch.setattr("processing.pool.scratch.trouble", lambda: "")
    until(pool, lambda: len(crew.at_work(queue.PHOTOS)) == 1)
