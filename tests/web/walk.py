"""Every address that browsers ask, with something of Alice's behind it. (Programs' are walked in tests/api.)"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.http import QueryDict
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils.datastructures import MultiValueDict
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from processing import backgrounds, invitations, presets, steering, tokens
from processing.api.dialects import api as dialects
from processing.api.v1 import api as v1
from processing.delivery import links
from processing.models import Allowance
from processing.recipe import Recipe
from tests import make
from tests.api.answers import content
from tests.conftest import picture
from tests.hooks import told

OF_PROGRAMS = {v1.urls_namespace, dialects.urls_namespace}
# A route's name begins with what its number stands for, but for these.
OTHERWISE = {"product-csv": "product", "links-make": "product", "queue-why": "photo"}
Things = Mapping[str, Any]
CSRF = "csrfmiddlewaretoken"


@dataclass(frozen=True)
class Route:
    """`name` is as `reverse` takes it, `words` are the names of what its address is filled with."""

    name: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    def address(self, things: Things) -> str:
        return reverse(self.name, kwargs={word: self._of(word, things) for word in self.words})

    def _of(self, word: str, things: Things) -> object:
        """For a number the thing that the route's name begins with, or the row of the model whose page it is."""
        short = self.name.rpartition(":")[2]
        if word == "object_id":
            word = short.rpartition("_")[0]
        elif word == "pk":
            word = OTHERWISE.get(short, short.partition("-")[0])
        return things.get(f"{short} {word}", things.get(word, 1))


def routes(*namespaces: str) -> list[Route]:
    """Those of these namespaces; the empty one is that of our own pages."""
    return [route for route in _routes(get_resolver(), "") if route.name.rpartition(":")[0] in namespaces]


def _routes(resolver: URLResolver, place: str) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            if entry.namespace not in OF_PROGRAMS:
                yield from _routes(entry, f"{place}{entry.namespace}:" if entry.namespace else place)
        elif entry.name:
            yield Route(f"{place}{entry.name}", _words(entry))


def _words(entry: URLPattern) -> tuple[str, ...]:
    return tuple(entry.pattern.regex.groupindex)


class Undo(Exception):
    """Takes back what was tried."""


@contextmanager
def undone(client: Client) -> Iterator[None]:
    """What is done inside leaves nothing behind; who was signed in still is."""
    before = {name: cookie.value for name, cookie in client.cookies.items()}
    try:
        with suppress(Undo), transaction.atomic():
            yield
            raise Undo
    finally:
        client.cookies.clear()
        client.cookies.load(before)


def fields(client: Client, walked: Iterable[Route], things: Things, monkeypatch: Any) -> list[str]:
    """The names of all that any of these addresses looks for, in its query or its form."""
    found = set(Recipe.model_fields)
    with monkeypatch.context() as patched:
        for how in ("get", "getlist", "__getitem__", "__contains__"):
            patched.setattr(QueryDict, how, _told(getattr(MultiValueDict, how), found), raising=False)
        for route in walked:
            for ask in (client.get, client.post):
                with undone(client):
                    content(ask(route.address(things)))
    return sorted(found - {CSRF})


def _told(real: Any, found: set[str]) -> Any:
    def look(self: QueryDict, name: str, *more: Any) -> Any:
        found.add(name)
        return real(self, name, *more)

    return look


def things(alice: User) -> dict[str, Any]:
    """What Alice has, by what routes call it; a word that only one route fills otherwise stands behind its name."""
    csv, job = make.products(alice, 1), make.job(alice, 2)
    upload, product = make.finish(job.uploads.earliest("pk")), make.finish(make.bring(csv.uploads.get()))
    endpoint, made = make.endpoint(alice, "https://hooks.example.com/"), links.make(csv)
    invitation, token = invitations.make(alice)
    output = urlsplit(links.address(made, product.pk, product.name, "result", "jpg")).path
    return {
        "job": job.pk, "photo": upload.pk, "variant": "original", "product": csv.pk, "row": csv.rows.get().pk,
        "links": made.pk, "code": output.split("/")[2], "name": "bria-rmbg",
        "webhook": endpoint.pk, "delivery": told.delivery(endpoint, 500).pk,
        "preset": presets.save(alice, "Shop standard", Recipe()).pk,
        "background": backgrounds.accept(alice, SimpleUploadedFile("wall.jpg", picture())).pk,
        "token": tokens.make(alice, "Shop", ["read"]).token.pk,
        "invitation": invitation.pk, "invitation token": token,
        "uidb64": urlsafe_base64_encode(force_bytes(alice.pk)),
        "password_reset_confirm token": default_token_generator.make_token(alice),
        "app_label": "processing", "url": "nowhere",
        **rows_of_the_admin(alice),
    }  # fmt: skip


def rows_of_the_admin(alice: User) -> dict[str, object]:
    """The newest row of each model that the admin shows, by its label; what has none yet gets one."""
    Allowance.objects.get_or_create(owner=alice, photos_a_day=5)
    steering.operators()
    return {
        model._meta.label_lower.replace(".", "_"): getattr(model._default_manager.order_by("pk").last(), "pk", 1)
        for model in admin.site._registry
    }
