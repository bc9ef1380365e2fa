"""Which models may run here, and how long they take."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from processing import catalogue, installed
from processing.errors import PhotoError
from processing.intake import photos
from processing.models import AllowedModel, Job
from processing.recipe import Recipe
from tests import make
from tests.intake.packing import sent

pytestmark = pytest.mark.django_db
FORBIDDEN = "bria-rmbg"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model is on this machine."""
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    for weights in catalogue.ALL.values():
        weights.path.touch()


def code(recipe: Recipe) -> str:
    try:
        installed.check(recipe)
    except PhotoError as error:
        return error.code
    return ""


def used(owner: User, model: str, *seconds: float, **timings: float) -> None:
    for ago, took in enumerate(seconds):
        make.upload(
            owner, status="completed", finished_at=timezone.now() - timedelta(hours=ago),
            facts={"model": model, "timings": {"background": took, **timings}},
        )  # fmt: skip


def test_a_model_that_is_not_here_is_refused_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    assert code(Recipe(model=FORBIDDEN)) == "model_not_installed"


@pytest.mark.parametrize("name", [name for name, weights in catalogue.MODELS.items() if weights.commercial])
def test_what_may_be_used_commercially_needs_no_switch(here: None, name: str) -> None:
    assert code(Recipe(model=name)) == ""


def test_what_may_not_is_off_until_an_operator_turns_it_on(here: None, olga: User) -> None:
    assert code(Recipe(model=FORBIDDEN)) == "model_not_allowed"
    installed.allow(FORBIDDEN, olga)
    assert code(Recipe(model=FORBIDDEN)) == ""
    installed.forbid(FORBIDDEN)
    assert code(Recipe(model=FORBIDDEN)) == "model_not_allowed"


def test_a_model_that_the_recipe_does_not_use_is_not_asked_about(here: None) -> None:
    assert code(Recipe(model=FORBIDDEN, remove_bg=False)) == ""


def test_it_stays_the_act_of_whoever_turned_it_on_first(here: None, olga: User, admin_user: User) -> None:
    installed.allow(FORBIDDEN, olga)
    installed.allow(FORBIDDEN, admin_user)
    assert AllowedModel.objects.get().allowed_by == olga


def test_the_door_refuses_and_makes_no_job(here: None, alice: User) -> None:
    with pytest.raises(PhotoError) as caught:
        photos.accept(alice, [sent("cat.jpg")], Recipe(model=FORBIDDEN))
    assert caught.value.detail == (
        "The model bria-rmbg is not for commercial use. Staff can turn it on, on the page Models."
    )
    assert not Job.objects.exists()


def test_the_seconds_are_the_median_of_real_work(alice: User) -> None:
    used(alice, "u2netp", 0.2, 9.0, 0.3)
    used(alice, "u2net", 1.5, face=0.02)
    assert installed.seconds() == {"u2netp": 0.3, "u2net": 1.5, "yunet": 0.02}


def test_only_the_newest_completed_photos_count(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "NEWEST", 2)
    used(alice, "u2netp", 0.2, 0.4, 50.0)
    make.upload(alice, status="failed", finished_at=timezone.now(), facts={"model": "u2netp", "timings": {}})
    assert installed.seconds() == {"u2netp": pytest.approx(0.3)}


def test_photos_that_kept_their_background_do_not_count(alice: User) -> None:
    make.upload(alice, status="completed", finished_at=timezone.now(), facts={"timings": {"read": 0.1}})
    assert installed.seconds() == {}


def test_all_of_it_is_two_queries(alice: User, olga: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    used(alice, "u2netp", 0.2, 0.4)
    installed.allow(FORBIDDEN, olga)
    with django_assert_num_queries(2):
        found = installed.models()
        assert [one.allowed.allowed_by for one in found if one.allowed] == [olga]
    assert [one.weights.name for one in found] == list(catalogue.ALL)
    assert [one.weights.name for one in found if not one.may_run] == []
