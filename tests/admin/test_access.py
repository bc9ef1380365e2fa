"""Every page and every action of the admin, walked as nobody, as a stranger, as operators. A new one is walked too."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from processing.models import Allowance, Job, Upload
from tests import make
from tests.api.test_access import everything
from tests.web.walk import Route, Things, routes, things

SignIn = Callable[[User], Client]
Kind = type[Model]

MODELS = list(admin.site._registry)
PAGES = routes("admin", "django_rq")
# To /metrics the one leads, nowhere the other.
OPEN = {"admin:login", "admin:logout", "django_rq:metrics", "admin:view_on_site"}
OF_ALL_OPERATORS = OPEN | {"admin:index", "admin:password_change", "admin:password_change_done", "admin:jsi18n"}
OF_THE_GROUP = {Job, Upload, Allowance}
ACTIONS = [
    (kind, name) for kind, page in admin.site._registry.items() for _, name, _ in page._get_base_actions()  # type: ignore[attr-defined]
]  # fmt: skip


@pytest.fixture
def walked(alice: User) -> Things:
    return things(alice)


def state() -> dict[str, Any]:
    """All that the admin could change."""
    people = {kind.__name__: list(kind._default_manager.order_by("pk").values()) for kind in (User, Group)}
    for person in people["User"]:
        del person["last_login"]
    return everything() | people | {"rights": list(User.user_permissions.through.objects.values())}


def asked(client: Client, route: Route, walked: Things) -> dict[str, Any]:
    path = route.address(walked)
    return {method: getattr(client, method)(path) for method in ("get", "post")}


def led_away(answer: Any) -> bool:
    return answer.status_code == 302 and answer["Location"].partition("?")[0] in (
        reverse("login"), reverse("admin:login"),
    )  # fmt: skip


def is_refused(answer: Any) -> bool:
    """Also by the word, on the first page, that there is no such row."""
    return answer.status_code in (403, 404, 405) or (answer.status_code, answer.get("Location")) == (302, "/admin/")


# ---- pages -----------------------------------------------------------------------------------------------------------


def test_nobody_and_strangers_are_led_to_sign_in_at_every_page(walked: Things, bob: User, as_user: SignIn) -> None:
    before = state()
    wrong = [
        (who, str(route), method, answer.status_code)
        for who, client in (("nobody", Client()), ("bob", as_user(bob)))
        for route in PAGES if route.name not in OPEN
        for method, answer in asked(client, route, walked).items() if not led_away(answer)
    ]  # fmt: skip
    assert wrong == []
    assert state() == before


def test_an_operator_without_permissions_sees_what_all_operators_do_and_changes_nothing(
    walked: Things, otto: User, as_user: SignIn
) -> None:
    client, before = as_user(otto), state()
    wrong = [
        (str(route), method, answer.status_code)
        for route in PAGES if route.name not in OF_ALL_OPERATORS
        for method, answer in asked(client, route, walked).items() if not is_refused(answer)
    ]  # fmt: skip
    assert wrong == []
    assert state() == before


def test_the_group_of_operators_sees_photos_and_limits_and_no_accounts(
    walked: Things, olga: User, as_user: SignIn
) -> None:
    client = as_user(olga)
    lists = {kind: client.get(at(kind, "changelist")).status_code for kind in MODELS}
    assert lists == {kind: 200 if kind in OF_THE_GROUP else 403 for kind in MODELS}
    pages = {kind: client.get(at(kind, "change", walked)).status_code for kind in OF_THE_GROUP}
    assert set(pages.values()) == {200}, "else a 404 of the tests above would say nothing"


def at(kind: Kind, page: str, walked: Things | None = None) -> str:
    label = kind._meta.label_lower.replace(".", "_")
    return reverse(f"admin:{label}_{page}", args=[walked[label]] if walked else [])


# ---- actions ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def rows(alice: User, bob: User) -> dict[Kind, Model]:
    """For each model of the admin a row that an action could change."""
    failed = make.upload(alice, status="failed")
    made = {Job: failed.job, Upload: failed, User: bob, Group: Group.objects.create(name="Shop")}
    made[Allowance] = Allowance.objects.create(owner=bob, photos_a_day=5)
    for kind in MODELS:
        made.setdefault(kind, None)
    return made


def act(client: Client, kind: Kind, action: str, row: Model | None) -> Any:
    """Choose the action for this row and, where it asks, say yes."""
    sent = {"action": action, "_selected_action": row.pk if row else 1, "post": "yes"}
    return client.post(at(kind, "changelist"), sent)


@pytest.mark.parametrize(("kind", "action"), ACTIONS, ids=lambda one: getattr(one, "__name__", one))
def test_an_action_is_refused_to_whom_its_permission_is_not_given(
    kind: Kind, action: str, rows: dict[Kind, Model], otto: User, as_user: SignIn
) -> None:
    bob = User.objects.get(username="bob")
    before, clients = state(), (Client(), as_user(bob), as_user(otto))
    for client in clients:
        act(client, kind, action, rows[kind])
    assert state() == before
    looks = Permission.objects.filter(codename__regex="^(view|add|change)_")
    otto.user_permissions.add(*looks)
    before = state()
    act(as_user(otto), kind, action, rows[kind])
    assert state() == before


@pytest.mark.parametrize(
    ("kind", "action"), [one for one in ACTIONS if one[0] in (User, Group, *OF_THE_GROUP)],
    ids=lambda one: getattr(one, "__name__", one),
)  # fmt: skip
def test_who_may_all_does_each_of_them(
    kind: Kind, action: str, rows: dict[Kind, Model], admin_user: User, as_user: SignIn
) -> None:
    """Else that nothing changed would say nothing. (Photos are deleted on pages of jobs: there it can be undone.)"""
    if action == "cancel":
        Upload.objects.update(status="queued")
    before, is_offered = state(), not (action == "delete_selected" and kind in (Job, Upload))
    act(as_user(admin_user), kind, action, rows[kind])
    assert (state() != before) is is_offered
