"""Saving from the form of a new job, the page of presets and backgrounds, and what a script is answered."""

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processing import backgrounds, presets
from processing.models import BackgroundImage, Preset
from processing.recipe import Recipe
from tests.conftest import picture
from tests.web.test_forms import UNUSUAL, sent
from tests.web.test_new import filled

SignIn = Callable[[User], Client]
SAVE = "/account/presets/save/"


@pytest.fixture
def client(alice: User, as_user: SignIn) -> Client:
    return as_user(alice)


def test_a_plain_form_is_saved_and_comes_back_filled_from_it(client: Client) -> None:
    answer = client.post(SAVE, {**sent(UNUSUAL), "preset_name": " Shop  standard ", "next": "/"})
    saved = Preset.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/?preset={saved.pk}")
    assert (saved.name, Recipe(**saved.recipe)) == ("Shop standard", UNUSUAL)
    assert "Shop standard saved." in client.get("/").content.decode()


def test_a_name_that_is_taken_is_asked_about_with_all_that_was_typed(client: Client, alice: User) -> None:
    presets.save(alice, "Lamps", Recipe())
    fields = {**sent(UNUSUAL), "preset_name": "Lamps", "next": "/"}
    page = client.post(SAVE, fields)
    assert page.status_code == 409
    html = page.content.decode()
    assert "You have a preset called Lamps already." in html
    assert filled(html)["size"] == UNUSUAL.size
    assert (filled(html)["replace"], filled(html)["preset_name"]) == ("Lamps", "Lamps")
    assert client.post(SAVE, {**fields, "replace": "Lamps"}).status_code == 303
    assert Recipe(**Preset.objects.get().recipe) == UNUSUAL


def test_a_script_is_answered_in_a_few_words(client: Client, alice: User) -> None:
    fields = {**sent(UNUSUAL), "preset_name": "Lamps"}
    done = client.post(SAVE, fields)
    assert (done.status_code, json.loads(done["HX-Trigger"])["notice"]["text"]) == (204, "Lamps saved.")
    again = client.post(SAVE, fields)
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [({"preset_name": " "}, "A preset needs a name."), ({"preset_name": "Lamps", "quality": "0"}, "1 at least.")],
)
def test_what_cannot_be_saved_says_why(client: Client, fields: dict[str, str], sentence: str) -> None:
    plain = client.post(SAVE, {"model": "u2netp", **fields, "next": "/"})
    script = client.post(SAVE, {"model": "u2netp", **fields})
    assert (plain.status_code, script.status_code) == (422, 422)
    assert sentence in plain.content.decode()
    assert sentence in script.json()["detail"]
    assert not Preset.objects.exists()


def test_the_page_says_what_each_does_and_what_may_be_done(
    client: Client, alice: User, olga: User, as_user: SignIn
) -> None:
    mine = presets.save(alice, "<b>Lamps</b>", Recipe(model="u2netp", background="white", quality=60))
    shared = presets.save(olga, "House rule", Recipe())
    presets.share(shared, True)
    presets.make_default(alice, mine)
    page = client.get(reverse("presets")).content.decode()
    assert "&lt;b&gt;Lamps&lt;/b&gt;" in page
    assert "Cut-out with u2netp, on white, quality 60" in page
    assert "Shared by olga" in page
    assert page.count(">Default<") == 1
    assert reverse("preset-delete", args=[mine.pk]) in page
    assert reverse("preset-delete", args=[shared.pk]) not in page
    assert reverse("preset-share", args=[mine.pk]) not in page
    assert reverse("preset-share", args=[shared.pk]) in as_user(olga).get(reverse("presets")).content.decode()


def test_where_nothing_is_saved_the_page_says_how_to(client: Client) -> None:
    assert client.get(reverse("presets")).content.decode().count("None yet.") == 2


def test_a_preset_is_renamed_made_default_and_deleted(client: Client, alice: User) -> None:
    one, _ = presets.save(alice, "Lamps", Recipe()), presets.save(alice, "Mugs", Recipe())
    rename = reverse("preset-rename", args=[one.pk])
    assert client.post(rename, {"name": "Mugs"}).status_code == 409
    assert client.post(rename, {"name": " "}).status_code == 422
    assert client.post(rename, {"name": "Cups"}).status_code == 204
    default = reverse("preset-default", args=[one.pk])
    client.post(default, {"on": "yes"})
    assert presets.default_of(alice) == one
    client.post(default, {"on": ""})
    assert presets.default_of(alice) is None
    client.post(default, {"on": "yes"})
    client.post(reverse("preset-delete", args=[one.pk]), {"next": reverse("presets")})
    assert [preset.name for preset in presets.listed(alice)] == ["Mugs"]
    assert presets.default_of(alice) is None


def test_an_operator_shares_and_takes_it_back(olga: User, alice: User, as_user: SignIn) -> None:
    one = presets.save(olga, "House rule", Recipe())
    share = reverse("preset-share", args=[one.pk])
    as_user(olga).post(share, {"on": "yes"})
    assert presets.listed(alice) == [one]
    as_user(olga).post(share, {"on": ""})
    assert presets.listed(alice) == []


def test_a_background_that_is_added_is_answered_with_its_swatch(client: Client) -> None:
    answer = client.post(reverse("background-add"), {"background_image": SimpleUploadedFile('a"b.jpg', picture())})
    image = BackgroundImage.objects.get()
    assert answer.status_code == 201
    html = answer.content.decode()
    assert f'value="image:{image.sha256}"' in html
    assert " checked" in html
    assert "a_b.jpg" in html


def test_a_background_that_is_refused_says_why(client: Client) -> None:
    add = reverse("background-add")
    refused = client.post(add, {"background_image": SimpleUploadedFile("a.jpg", b"hello")})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_file_type")
    assert client.post(add).status_code == 422


@pytest.mark.parametrize(("format", "how"), [("PNG", "inline"), ("BMP", "attachment")])
def test_a_background_is_shown_only_where_that_is_safe(client: Client, alice: User, format: str, how: str) -> None:
    image = backgrounds.accept(alice, SimpleUploadedFile("a", picture(format=format)))
    answer = client.get(reverse("background", args=[image.pk]))
    assert answer["Content-Disposition"].startswith(how)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert int(answer["Content-Length"]) == image.bytes
    answer.close()


def test_a_deleted_background_is_gone_from_the_page(client: Client, alice: User) -> None:
    image = backgrounds.accept(alice, SimpleUploadedFile("wall.jpg", picture()))
    assert "wall.jpg" in client.get(reverse("presets")).content.decode()
    client.post(reverse("background-delete", args=[image.pk]), {"next": reverse("presets")})
    client.get(reverse("presets"))  # which says so
    assert "wall.jpg" not in client.get(reverse("presets")).content.decode()


def test_many_presets_take_as_many_queries_as_few(client: Client, alice: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse("presets"))
        return len(captured)

    wall = backgrounds.accept(alice, SimpleUploadedFile("wall.jpg", picture()))
    recipe = Recipe(model="u2netp", background=backgrounds.value_of(wall))
    presets.save(alice, "Wall", recipe)
    few = queries()
    for number in range(9):
        presets.save(alice, f"Wall {number}", recipe)
    assert queries() == few
