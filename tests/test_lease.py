"""A role is held by one at a time, by the database's own clock."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from processing import ledger
from processing.models import Lease, Status, Upload, lease
from tests import make


@pytest.fixture
def off(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets this machine's clock so many seconds ahead."""
    now = timezone.now
    return lambda seconds: monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(seconds=seconds))


def test_one_holds_a_role_until_it_lets_go(db: None) -> None:
    assert lease.hold("role", "first", 10)
    assert lease.hold("role", "first", 10)
    assert not lease.hold("role", "second", 10)
    assert lease.is_held("role")
    lease.let_go("role", "second")
    assert lease.is_held("role")
    lease.let_go("role", "first")
    assert not lease.is_held("role")
    assert lease.hold("role", "second", 10)


def test_a_role_that_nobody_renews_is_anybodys(db: None) -> None:
    assert lease.hold("role", "first", -1)
    assert not lease.is_held("role")
    assert lease.hold("role", "second", 10)
    assert not lease.hold("role", "first", 10)


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_machine_whose_clock_is_off_neither_steals_a_role_nor_keeps_it(db: None, off: Any, seconds: int) -> None:
    assert lease.hold("role", "first", 10)
    off(seconds)
    assert not lease.hold("role", "second", 10)
    assert lease.is_held("role")
    lease.let_go("role", "first")
    assert lease.hold("role", "second", 10)
    off(0)
    left = (Lease.objects.get().until - timezone.now()).total_seconds()
    assert 5 < left <= 10


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_dispatcher_whose_clock_is_off_frees_what_is_over_and_nothing_else(
    alice: User, off: Any, seconds: int
) -> None:
    held, over = make.upload(alice), make.upload(alice)
    assert ledger.claim(held.pk)
    assert ledger.claim(over.pk)
    Upload.objects.filter(pk=over.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    off(seconds)
    assert ledger.sweep() == 1
    assert Upload.objects.get(pk=held.pk).status == Status.PROCESSING
    assert Upload.objects.get(pk=over.pk).status == Status.QUEUED
