"""The page of a person's numbers: one's own, and for operators everybody's."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from processing.models import Allowance, Tally

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
TODAY = timezone.localdate()


def tally(owner: User, days: int = 0, **numbers: int) -> None:
    Tally.objects.create(owner=owner, day=timezone.localdate() - timedelta(days=days), **numbers)


def page(client: Client, query: str = "") -> str:
    response = client.get(reverse("statistics") + query)
    assert response.status_code == 200
    return response.content.decode()


def test_before_the_first_photo_it_says_so(alice: User, as_user: SignIn) -> None:
    assert "Nothing to count yet" in page(as_user(alice))


def test_a_person_sees_the_own_numbers_alone(alice: User, bob: User, as_user: SignIn) -> None:
    tally(alice, jobs=1, photos=4321, completed=3, failed=1, attempts=6, bytes_before=2_000_000, bytes_after=500_000)
    tally(bob, photos=8765)
    shown = page(as_user(alice))
    for text in ("4,321", "75%", "1.50", "1.5 MB (75%)"):
        assert text in shown
    assert "8,765" not in shown
    assert "8,765" not in page(as_user(alice), "?owner=everybody")
    assert page(as_user(alice), "?person=alice").count("4,321") == shown.count("4,321")


@pytest.mark.parametrize("name", ["bob", "nobody", "a%00b", "%ED%A0%80"])
def test_who_asks_for_another_hears_that_there_is_nobody(alice: User, bob: User, as_user: SignIn, name: str) -> None:
    assert as_user(alice).get(f"{reverse('statistics')}?person={name}").status_code == 404


def test_an_operator_sees_everybody_and_each(alice: User, bob: User, olga: User, as_user: SignIn) -> None:
    tally(alice, photos=1)
    tally(bob, photos=2000)
    shown = page(as_user(olga), "?owner=everybody")
    assert shown.index('?person=bob"') < shown.index('?person=alice"')
    assert "2,001" in shown
    of_bob = page(as_user(olga), "?person=bob")
    assert "Statistics of bob" in of_bob
    assert "2,001" not in of_bob
    assert as_user(olga).get(f"{reverse('statistics')}?person=nobody").status_code == 404


def test_a_name_with_signs_in_it_leads_to_its_page(olga: User, as_user: SignIn) -> None:
    tally(User.objects.create_user("k+m@example.com"), photos=1)
    assert "?person=k%2Bm%40example.com" in page(as_user(olga), "?owner=everybody")
    assert "Statistics of k+m@example.com" in page(as_user(olga), "?person=k%2Bm%40example.com")


def test_a_year_of_many_people_costs_as_many_queries_as_nothing(alice: User, olga: User, as_user: SignIn) -> None:
    client = as_user(olga)

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            page(client, "?owner=everybody")
        return len(found)

    before = queries()
    people = [*User.objects.bulk_create(User(username=f"person-{number}") for number in range(4)), alice]
    Tally.objects.bulk_create(
        Tally(owner=one, day=TODAY - timedelta(days=days), photos=1) for one in people for days in range(365)
    )
    assert queries() == before


def test_results_that_grew_are_told_as_that(alice: User, as_user: SignIn) -> None:
    tally(alice, photos=1, completed=1, attempts=1, bytes_before=1000, bytes_after=301_000)
    assert "none, 300 kB larger" in page(as_user(alice))


def test_where_none_ended_no_day_is_said_to_have_had_one(alice: User, as_user: SignIn) -> None:
    tally(alice, photos=3)
    shown = page(as_user(alice))
    assert "none ended" in shown
    assert "at most on one day" not in shown
    tally(alice, days=1, failed=2)
    assert page(as_user(alice)).count("2 at most on one day") == 2


@pytest.mark.parametrize(("used", "is_loud"), [(79, False), (80, True), (100, True)])
def test_a_limit_is_shown_before_it_is_reached(alice: User, as_user: SignIn, used: int, is_loud: bool) -> None:
    Allowance.objects.create(owner=alice, photos_a_day=100)
    tally(alice, photos=used)
    new = as_user(alice).get(reverse("new-job")).content.decode()
    assert f"100 photos a day; {used} sent today" in new
    assert ('<div class="banner" data-state="warning">' in new) == is_loud
    assert f"{used} of 100" in as_user(alice).get(reverse("account")).content.decode()
    told = as_user(alice).get("/api/v1/me").json()["allowances"]
    assert told == {"photos_a_day": {"used": used, "limit": 100}, "stored_bytes": None, "photos_in_flight": None}


def test_who_has_no_limit_is_shown_none(alice: User, as_user: SignIn) -> None:
    assert "a day;" not in as_user(alice).get(reverse("new-job")).content.decode()
    assert "Your limits" not in as_user(alice).get(reverse("account")).content.decode()
