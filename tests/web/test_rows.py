"""The page of a product CSV after Start."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests import make

SignIn = Callable[[User], Client]


@pytest.fixture
def client(alice: User, as_user: SignIn) -> Client:
    return as_user(alice)


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


def test_the_page_takes_as_many_queries_for_many_rows_as_for_few(client: Client, alice: User) -> None:
    few, many = make.products(alice, 10, photos=2), make.products(alice, 200, photos=2)
    client.get(reverse("product", args=[few.pk]))
    assert queries(client, reverse("product", args=[few.pk])) == queries(client, reverse("product", args=[many.pk]))
