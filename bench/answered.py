"""A page as the server answers, with no server and no browser between: its queries, how long it takes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

TURNS = 20
PLAIN_FILES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
Page = Callable[[], None]  # it is asked for


@contextmanager
def signed_in(*users: User) -> Iterator[list[Client]]:
    with override_settings(STORAGES=PLAIN_FILES, ALLOWED_HOSTS=["testserver"]):
        clients = [Client() for _ in users]
        for client, user in zip(clients, users, strict=True):
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        yield clients


def page(client: Client, path: str) -> Page:
    """Raises RuntimeError where the answer is not 200."""
    return partial(_ask, client, path)


def _ask(client: Client, path: str) -> None:
    answer = client.get(path)
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status_code}")


def queries(page: Page) -> int:
    page()  # the first one fills what is kept
    with CaptureQueriesContext(connection) as asked:
        page()
    return len(asked)


def times(page: Page) -> list[float]:
    """In ms."""
    return [_took(page) for _ in range(TURNS)]


def _took(page: Page) -> float:
    began = time.perf_counter()
    page()
    return 1000 * (time.perf_counter() - began)
