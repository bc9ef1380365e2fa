"""Who waits for a job is woken by its nudges."""

import pytest
from asgiref.sync import sync_to_async

from processing import announce


async def test_who_waits_looks_again_after_a_nudge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announce, "LOOK", 60)
    looks = 0

    async def look() -> tuple[int, bool]:
        nonlocal looks
        looks += 1
        if looks == 1:
            await sync_to_async(announce._publish)(7, None)
        return looks, looks == 2

    assert await announce.until(7, look, 60) == 2


async def test_without_a_nudge_it_looks_now_and_then_until_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announce, "LOOK", 0.01)
    looks = 0

    async def look() -> tuple[int, bool]:
        nonlocal looks
        looks += 1
        return looks, False

    assert await announce.until(8, look, 0.05) >= 2
