"""The page of a new job: each option once, filled by presets, what was typed kept."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from processing import backgrounds, presets
from processing.models import BackgroundImage, Job
from processing.recipe import Recipe
from processing.web.forms import RecipeForm, values
from tests import make
from tests.conftest import picture
from tests.web.test_forms import UNUSUAL, sent

SignIn = Callable[[User], Client]


@pytest.fixture
def client(alice: User, as_user: SignIn) -> Client:
    return as_user(alice)


def controls(page: str) -> list[tuple[str, str]]:
    """(tag, name) of each control."""
    return re.findall(r'<(input|select|textarea)[^>]*? name="(\w+)"', page)


def filled(page: str) -> dict[str, Any]:
    """What a browser would send of the form as it stands."""
    found: dict[str, Any] = {}
    for control in re.findall(r"<input[^>]*>", page):
        name, kind = re.search(r' name="(\w+)"', control), re.search(r' type="(\w+)"', control)
        value = re.search(r' value="([^"]*)"', control)
        if name and kind and kind[1] != "file" and (kind[1] not in ("radio", "checkbox") or " checked" in control):
            found[name[1]] = value[1] if value else "on" if kind[1] == "checkbox" else ""
    for name, inside in re.findall(r'<select name="(\w+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        found[name] = re.search(r'<option value="([^"]*)" selected', inside)[1]
    return found


def test_every_field_has_one_control(client: Client) -> None:
    found = controls(client.get("/").content.decode())
    radios = {"background", "model"}
    for field in Recipe.model_fields:
        several = [tag for tag, name in found if name == field]
        assert len(several) == 1 or field in radios, f"{field}: {several}"
        assert several, field


@pytest.mark.parametrize("recipe", [Recipe(model="u2netp"), UNUSUAL], ids=["default", "unusual"])
def test_what_was_sent_stands_in_the_page_again_when_something_is_wrong(client: Client, recipe: Recipe) -> None:
    answer = client.post("/", sent(recipe))  # no file
    assert answer.status_code == 422
    again = RecipeForm(filled(answer.content.decode()))
    assert again.is_valid(), again.errors
    assert again.recipe == recipe


@pytest.mark.parametrize("page", ["new job", "photo"])
def test_what_somebody_typed_is_kept_for_nobody(client: Client, alice: User, page: str) -> None:
    """Else who types megabytes fills the memory of web."""
    typed = "800 by 600 or so"
    path = "/" if page == "new job" else reverse("photo", args=[make.finish(make.upload(alice)).pk])
    assert typed in client.post(path, sent(Recipe()) | {"size": typed}).text
    client.get(path)
    kept = b"".join(cache._cache.values())  # type: ignore[attr-defined]
    assert b"fieldset" in kept
    assert typed.encode() not in kept


def test_a_mistake_in_a_folded_field_is_said_there_and_unfolds_it(client: Client) -> None:
    page = client.post("/", {"model": "u2netp", "quality": "101"}).content.decode()
    assert '<details class="fold" id="more" open>' in page
    assert '<a href="#id_quality">Quality</a>: That is too much: 100 at most.' in page
    assert '<ul class="errorlist" id="id_quality_error">' in page
    assert 'value="101"' in page


@pytest.mark.parametrize("name", list(presets.BUILT_IN))
def test_a_built_in_preset_fills_the_form(client: Client, name: str) -> None:
    page = client.get("/", {"preset": name}).content.decode()
    form = RecipeForm(filled(page))
    assert form.is_valid()
    assert form.recipe == presets.BUILT_IN[name].recipe
    assert re.findall(r'href="/\?preset=(\w+)" data-preset aria-current="true"', page) == [name]


def test_a_saved_preset_fills_the_form_and_a_default_one_at_first_sight(client: Client, alice: User) -> None:
    saved = presets.save(alice, "Shop standard", UNUSUAL)
    for address in (f"/?preset={saved.pk}", "/"):
        presets.make_default(alice, saved if address == "/" else None)
        page = client.get(address).content.decode()
        form = RecipeForm(filled(page))
        assert form.is_valid()
        assert form.recipe == UNUSUAL
        assert f'<option value="{saved.pk}" selected' in page
    assert RecipeForm(filled(client.get("/?preset=cutout").content.decode())).changes == {}


def test_a_preset_that_no_longer_fits_opens_with_a_notice(client: Client, alice: User) -> None:
    saved = presets.save(alice, "Old", Recipe(model="birefnet-portrait", quality=40))
    page = client.get(f"/?preset={saved.pk}").content.decode()
    assert "At the default instead: Model." in page
    assert filled(page)["quality"] == "40"


def test_a_preset_that_is_gone_is_404_and_an_odd_name_is_none(client: Client, bob: User) -> None:
    hers = presets.save(bob, "Of Bob", UNUSUAL)
    assert [client.get("/", {"preset": pk}).status_code for pk in (99999, hers.pk)] == [404, 404]
    for odd in ("nonesuch", "9" * 5000, "-1", "²"):
        assert RecipeForm(filled(client.get("/", {"preset": odd}).content.decode())).changes == {}


def test_a_script_is_told_what_is_wrong_by_field(client: Client) -> None:
    answer = client.post(reverse("send-files"), {"model": "u2netp", "size": "huge", "quality": "0"}).json()
    assert list(answer["fields"]) == ["size", "quality"]
    assert "Quality: That is too little: 1 at least." in answer["detail"]


def test_a_background_comes_along_with_the_plain_form(client: Client, alice: User) -> None:
    files = {
        "files": SimpleUploadedFile("a.jpg", picture()),
        "background_image": SimpleUploadedFile("b.jpg", picture()),
    }
    answer = client.post("/", {"model": "u2netp", "remove_bg": "on", **files})
    assert answer.status_code == 303
    assert Job.objects.get().recipe["background"] == f"image:{BackgroundImage.objects.get().sha256}"


def test_a_background_that_is_none_is_said_at_the_field(client: Client) -> None:
    files = {"files": SimpleUploadedFile("a.jpg", picture()), "background_image": SimpleUploadedFile("b.jpg", b"hello")}
    page = client.post("/", {"model": "u2netp", **files})
    assert page.status_code == 422
    assert "Unsupported image format: text." in page.content.decode()
    assert not Job.objects.exists()


def test_a_background_that_was_sent_stays_chosen_when_something_else_is_wrong(client: Client) -> None:
    image = SimpleUploadedFile("b.jpg", picture())
    page = client.post("/", {"model": "u2netp", "quality": "0", "background_image": image}).content.decode()
    assert filled(page)["background"] == f"image:{BackgroundImage.objects.get().sha256}"


def test_another_persons_background_is_refused(client: Client, bob: User) -> None:
    image = backgrounds.accept(bob, SimpleUploadedFile("b.jpg", picture()))
    fields = {
        "files": [SimpleUploadedFile("a.jpg", picture())],
        "model": "u2netp",
        "background": f"image:{image.sha256}",
    }
    page = client.post("/", fields)
    assert (page.status_code, Job.objects.count()) == (422, 0)
    assert "The background image is not there any more." in page.content.decode()
    fields["files"] = [SimpleUploadedFile("a.jpg", picture())]
    assert client.post(reverse("send-files"), fields).json()["code"] == "background_missing"


def test_the_samples_are_made_as_the_form_says(client: Client) -> None:
    client.post(reverse("samples"), sent(UNUSUAL))
    assert Recipe(**Job.objects.get().recipe) == UNUSUAL


def test_samples_without_a_form_are_cut_out(client: Client) -> None:
    client.post(reverse("samples"))
    assert Recipe(**Job.objects.get().recipe) == Recipe()
    assert values(Recipe())["remove_bg"]


def test_a_jobs_recipe_is_a_file(client: Client, alice: User) -> None:
    client.post(reverse("samples"), sent(UNUSUAL))
    answer = client.get(reverse("job-recipe", args=[Job.objects.get().pk]))
    assert Recipe(**answer.json()) == UNUSUAL
    assert answer["Content-Disposition"] == 'attachment; filename="recipe.json"'
