"""The sums of the tally: by day, by span, by person."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from processing import statistics
from processing.models import Tally
from processing.statistics import Numbers

pytestmark = pytest.mark.django_db


def ago(owner: User, days: int, **numbers: int) -> None:
    Tally.objects.create(owner=owner, day=timezone.localdate() - timedelta(days=days), **numbers)


def test_the_spans_begin_and_end_where_they_say(alice: User, bob: User) -> None:
    for days in (0, 6, 7, 29, 30, 400):
        ago(alice, days, photos=1)
    ago(bob, 0, photos=50)
    found = statistics.of(alice.pk)
    assert {name: span.photos for name, span in found.spans.items()} == {"7 days": 2, "30 days": 4, "All time": 6}
    assert statistics.of(None).spans["7 days"].photos == 52


def test_each_day_is_there_in_order_also_where_nothing_was_sent(alice: User) -> None:
    ago(alice, 1, completed=2, bytes_before=10)
    days = statistics.of(alice.pk).days
    today = timezone.localdate()
    assert list(days) == [today - timedelta(days=days) for days in range(29, -1, -1)]
    assert days[today - timedelta(days=1)] == Numbers(completed=2, bytes_before=10)
    assert days[today] == Numbers()


def test_a_years_numbers_cost_as_many_queries_as_none(
    alice: User, bob: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for days in range(365):
        ago(alice, days, photos=1)
        ago(bob, days, photos=2)
    with django_assert_num_queries(3):
        assert statistics.of(None).spans["All time"].photos == 365 * 3
        assert [(name, numbers.photos) for name, numbers in statistics.by_person()] == [("bob", 60), ("alice", 30)]


def test_success_is_told_as_it_is() -> None:
    assert Numbers(completed=1999, failed=1).success == 99.9  # not 100, where one failed
    assert (Numbers(completed=3, failed=1).success, Numbers(completed=1).success, Numbers().success) == (75, 100, None)
    assert Numbers(completed=2, failed=2, attempts=10).attempts_each == 2.5
    assert Numbers().attempts_each is None
