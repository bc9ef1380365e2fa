"""Many open sockets: how often they look when nobody nudges them."""

import pytest

from processing.live import watcher


@pytest.mark.parametrize(
    ("group", "open", "seconds"), [("job.1", 1, 1.5), ("job.1", 22, 1.5), ("job.1", 500, 500 / 15), ("", 500, 1.5)]
)
def test_those_that_are_nudged_leave_the_thread_to_others(
    monkeypatch: pytest.MonkeyPatch, group: str, open: int, seconds: float
) -> None:
    monkeypatch.setattr(watcher, "OPEN", range(open))
    socket = watcher.Watcher()
    socket.group = group
    assert socket.rest() == seconds
