"""What operators decide: refused without its permission, done once, and written down with who, what and how many."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command

from processing import breaker, crew, pauses, queue, steering
from processing.errors import PhotoError
from processing.models import Crew, Milestone, Pause, Status, Upload
from tests import make

HOST = breaker.fetch("img.example.com")
ACTS: dict[str, Callable[[User], object]] = {
    "pause": steering.pause,
    "drain": lambda person: steering.pause(person, drains=True),
    "resume": steering.resume,
    "workers": lambda person: steering.set_workers(person, 5),
    "trip": lambda person: steering.trip(person, HOST),
    "reset": lambda person: steering.reset(person, HOST),
    "look": lambda person: steering.look_now(person, HOST),
}


def everything() -> dict[str, list[dict[str, Any]]]:
    models = apps.get_app_config("processing").get_models()
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in models}


def said() -> list[tuple[str, str]]:
    """Who and what, oldest first."""
    rows = LogEntry.objects.order_by("pk").values_list("user__username", "change_message")
    return [(str(who), what) for who, what in rows]


def permit(person: User, *verbs: str) -> User:
    """The same person, with the permissions of these verbs and no others."""
    names = [steering.PERMISSIONS[verb].partition(".")[2] for verb in verbs]
    person.user_permissions.set(Permission.objects.filter(codename__in=names))
    return User.objects.get(pk=person.pk)  # whose permissions are looked up anew


# ---- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ACTS)
def test_without_its_permission_an_act_is_refused_and_changes_nothing(
    act: str, alice: User, olga: User, otto: User
) -> None:
    breaker.failed(HOST, "It does not answer.")
    if act in ("resume", "reset", "look"):
        pauses.pause(olga)
        breaker.trip(HOST, olga)
    needed = {"drain": "pause", "resume": "pause", "look": "reset"}.get(act, act)
    wrong = permit(otto, *(steering.PERMISSIONS.keys() - {needed}))
    stranger = permit(alice, *steering.PERMISSIONS)  # who is no operator
    before = everything()
    for person in (wrong, stranger):
        with pytest.raises(PhotoError) as refused:
            ACTS[act](person)
        assert (refused.value.code, refused.value.status) == ("not_permitted", 403)
    assert everything() == before
    assert said() == []


@pytest.mark.parametrize("act", ACTS)
def test_with_its_permission_alone_an_act_is_done_and_noted(act: str, olga: User, otto: User) -> None:
    if act in ("resume", "reset", "look"):
        pauses.pause(olga)
    if act == "reset":
        breaker.trip(HOST, olga)
    if act == "look":
        for _ in range(10):
            breaker.failed(HOST, "It does not answer.")
    ACTS[act](permit(otto, {"drain": "pause", "resume": "pause", "look": "reset"}.get(act, act)))
    ((who, what),) = said()
    assert who == "otto"
    assert what.startswith(steering.DONE[act][0])


def test_the_group_is_made_once_with_all_who_are_operators_by_then(otto: User, alice: User) -> None:
    Group.objects.all().delete()
    Milestone.objects.all().delete()
    for _ in range(2):
        call_command("first_user")
    members = Group.objects.get(name=steering.GROUP).user_set.values_list("username", flat=True)
    assert list(members) == ["otto"]
    assert all(steering.may(User.objects.get(pk=otto.pk), verb) for verb in steering.PERMISSIONS)


def test_the_group_gets_what_an_upgrade_brings_and_not_what_was_taken_from_it(
    olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = Group.objects.get(name=steering.GROUP)
    group.permissions.clear()
    User.objects.create_user("nina", is_staff=True)
    monkeypatch.setattr(steering, "ALSO", [*steering.ALSO, "processing.change_job"])
    for _ in range(2):
        call_command("first_user")
    assert list(group.permissions.values_list("codename", flat=True)) == ["change_job"]
    assert list(group.user_set.values_list("username", flat=True)) == ["olga"]
    group.delete()
    call_command("first_user")
    assert not Group.objects.get(name=steering.GROUP).permissions.exists()


# ---- what is written down -------------------------------------------------------------------------------------------


def test_pauses_are_noted_with_whom_they_hold_and_how_many_photos(alice: User, bob: User, olga: User) -> None:
    job = make.job(alice, 3)
    make.job(bob, 1)
    steering.pause(olga)
    steering.resume(olga)
    steering.pause(olga, owner=bob)
    steering.pause(olga, job=job, drains=True)
    assert said() == [
        ("olga", "Paused the queue (4 photos)"), ("olga", "Resumed the queue (4 photos)"),
        ("olga", "Paused the photos of bob (1 photo)"), ("olga", f"Drained Job {job.pk}, Spring (3 photos)"),
    ]  # fmt: skip


def test_workers_and_breakers_are_noted_by_number_and_name(olga: User, settings: Any) -> None:
    settings.WORKERS = 2
    steering.set_workers(olga, 3)
    steering.trip(olga, HOST)
    steering.reset(olga, HOST)
    assert said() == [
        ("olga", "Set the number of workers from 2 to 3"), ("olga", f"Tripped {HOST}"), ("olga", f"Reset {HOST}"),
    ]  # fmt: skip


def test_what_changes_nothing_is_not_noted(alice: User, olga: User, otto: User, settings: Any) -> None:
    pauses.pause(otto)
    steering.pause(olga)
    steering.resume(olga, owner=alice)
    steering.set_workers(olga, settings.WORKERS)
    steering.reset(olga, HOST)
    steering.look_now(olga, HOST)
    breaker.trip(HOST, otto)
    steering.trip(olga, HOST)
    assert said() == []
    assert breaker.open_ones()[HOST].tripped_by == otto
    assert Pause.objects.get().by == otto


def test_an_act_that_fails_is_not_noted_and_one_that_cannot_be_noted_is_not_done(
    olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(steering, "note", broken)
    with pytest.raises(RuntimeError):
        steering.pause(olga)
    assert not Pause.objects.exists()


# ---- what does not fit ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [-1, 0, 9, 10**30])
def test_there_are_one_to_eight_workers(size: int, olga: User) -> None:
    with pytest.raises(PhotoError, match="invalid_request"):
        steering.set_workers(olga, size)
    assert not Crew.objects.exists()
    steering.set_workers(olga, 8)
    assert crew.wanted(queue.PHOTOS) == 8


@pytest.mark.parametrize("name", ["", "kitchen", "fetch:", "tea:pot", "fetch:" + 300 * "x"])
def test_only_what_the_house_depends_on_can_be_tripped(name: str, olga: User) -> None:
    with pytest.raises(PhotoError, match="invalid_request"):
        steering.trip(olga, name)
    assert breaker.open_ones() == {}


def test_a_pause_stops_no_photo_that_is_worked_on(alice: User, olga: User) -> None:
    steering.pause(olga)
    upload = make.upload(alice, status=Status.PROCESSING)
    steering.resume(olga)
    assert Upload.objects.get().status == upload.status == Status.PROCESSING
