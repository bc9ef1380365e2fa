"""What workers say of themselves, for as long as they live."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from processing import crew, queue


@pytest.fixture(autouse=True)
def empty_redis() -> Iterator[None]:
    queue.connection().flushdb()
    yield
    queue.connection().flushdb()


SIGN = crew.Sign("w1", queue.PHOTOS, "shop", 4711, timezone.now(), photos=3, memory=400_000_000, upload_id=8)


def test_what_a_worker_says_is_read_as_it_was_said() -> None:
    crew.say(SIGN)
    assert crew.at_work(queue.PHOTOS) == [SIGN]
    assert crew.at_work(queue.IO) == []


def test_workers_stand_in_their_order() -> None:
    for number in (10, 2, 1):
        crew.say(replace(SIGN, name=crew.name(queue.PHOTOS, number), pid=number))
    assert [sign.name for sign in crew.at_work(queue.PHOTOS)] == ["w1", "w2", "w10"]


def test_who_says_nothing_for_long_is_not_at_work() -> None:
    crew.say(SIGN)
    (key,) = queue.connection().smembers("photoproc:signs:photos")
    assert 0 < queue.connection().ttl(key) <= crew.ALIVE
    queue.connection().delete(key)  # as it expires
    assert crew.at_work(queue.PHOTOS) == []


def test_whether_any_was_at_work_is_known_for_a_while_after_the_last_has_gone() -> None:
    assert not crew.lately(queue.PHOTOS)
    crew.say(replace(SIGN, host=socket.gethostname()))
    crew.gone(queue.PHOTOS, SIGN.pid)
    assert crew.at_work(queue.PHOTOS) == []
    assert crew.lately(queue.PHOTOS)
    assert not crew.lately(queue.IO)
    assert 0 < queue.connection().ttl("photoproc:lately:photos") <= crew.ALIVE


def test_the_last_losses_are_kept_newest_first() -> None:
    for number in range(crew.MOST_LOSSES + 5):
        crew.lost(crew.Loss(f"w{number}", timezone.now(), "It was killed"))
    names = [loss.name for loss in crew.losses()]
    assert names == [f"w{number}" for number in range(crew.MOST_LOSSES + 4, 4, -1)]


def test_nobody_is_held_up_by_a_redis_that_is_away(settings: Any) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    crew.say(SIGN)
    crew.gone(queue.PHOTOS, SIGN.pid)
    crew.lost(crew.Loss("w1", timezone.now(), "It was killed"))
