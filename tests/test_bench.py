"""The benchmark: what it says of a figure, and that each of its parts runs."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from script import bench, bench_products, bench_queue
from script.bench import Figure, Taken


def test_a_goal_is_met_up_to_its_value() -> None:
    lines = bench.table([Figure("P8", "export", 2.0, 2, "s"), Figure("P9", "memory", 2.01, 2, "MB")]).splitlines()
    assert lines[2:] == ["| P8 | export | 2.00 s | 2 s | yes |", "| P9 | memory | 2.01 MB | 2 MB | NO |"]


def once(*works: Callable[[], object], turns: int = 1) -> list[Taken]:
    for work in works:
        work()
    return [Taken(1.0, 5.0) for _ in works]


def test_failed_photos_are_seen_and_retried(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_queue, "take", once)
    monkeypatch.setattr(bench_queue, "MANY", 20)
    monkeypatch.setattr(bench_queue, "LATE", 2)
    monkeypatch.setattr(bench_queue, "TURNS", 1)
    found = {figure.name: figure.value for figure in bench_queue.p6_p7()}
    assert found["P7-swept"] == 0
    assert found["P6-queue-queries"] > 0


def test_products_go_in_and_out(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_products, "take", once)
    monkeypatch.setattr(bench_products, "FEW", 2)
    monkeypatch.setattr(bench_products, "MANY", 3)
    assert [figure.value for figure in bench_products.p8()] == [1, 0, 1, 1, 0]
    assert User.objects.get().jobs.count() == 4
