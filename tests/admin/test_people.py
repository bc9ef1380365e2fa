"""Limits of people in the admin: who may change them, and that it is written down."""

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from processing.models import Allowance

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def allow(user: User, *names: str) -> None:
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))


def test_an_operator_with_the_permission_sets_and_changes_limits(alice: User, olga: User, as_user: SignIn) -> None:
    allow(olga, "add_allowance", "change_allowance")
    client = as_user(olga)
    assert (
        client.post(reverse("admin:processing_allowance_add"), {"owner": alice.pk, "photos_a_day": 5}).status_code
        == 302
    )
    path = reverse("admin:processing_allowance_change", args=[alice.pk])
    assert client.post(path, {"photos_a_day": 7, "stored_mb": 100, "owner": olga.pk}).status_code == 302
    assert Allowance.objects.values_list("owner", "photos_a_day", "stored_mb", "photos_in_flight").get() == (
        alice.pk, 7, 100, None,
    )  # fmt: skip
    assert [entry.user for entry in LogEntry.objects.filter(object_repr="Limits of alice")] == [olga, olga]


def test_without_the_permission_nobody_does(alice: User, otto: User, as_user: SignIn) -> None:
    Allowance.objects.create(owner=alice, photos_a_day=5)
    client = as_user(otto)
    assert client.post(reverse("admin:processing_allowance_add"), {"owner": otto.pk}).status_code == 403
    path = reverse("admin:processing_allowance_change", args=[alice.pk])
    assert client.post(path, {"photos_a_day": 7}).status_code == 403
    allow(otto, "view_allowance", "view_user")
    assert client.post(path, {"photos_a_day": 7}).status_code == 403
    assert client.get(reverse("admin:auth_user_change", args=[alice.pk])).status_code == 200
    assert Allowance.objects.get().photos_a_day == 5


def test_a_superuser_finds_the_limits_on_the_users_page(alice: User, admin_user: User, as_user: SignIn) -> None:
    Allowance.objects.create(owner=alice, photos_a_day=5)
    page = as_user(admin_user).get(reverse("admin:auth_user_change", args=[alice.pk])).content.decode()
    assert 'name="allowance-0-photos_a_day" value="5"' in page
    assert as_user(admin_user).get(reverse("admin:auth_user_add")).status_code == 200
