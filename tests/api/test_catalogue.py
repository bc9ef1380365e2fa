"""What a recipe can be made of."""

import io
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from processing import backgrounds, catalogue, presets
from processing.models import BackgroundImage, Preset
from processing.recipe import Recipe
from tests.api.answers import content
from tests.api.programs import program
from tests.conftest import picture


@pytest.fixture
def asking(alice: User) -> Client:
    return program(alice)


# ---- models, presets, fields ----------------------------------------------------------------------------------------


def test_every_model_says_how_to_install_it(asking: Client) -> None:
    found = {one["name"]: one for one in asking.get("/api/v1/models").json()["results"]}
    assert list(found) == list(catalogue.ALL)
    assert found["silueta"]["command"].endswith("manage.py fetch_weights silueta")
    assert [one["name"] for one in found.values() if one["default"]] == [catalogue.best_installed()]
    assert [name for name, one in found.items() if not one["allowed"]] == ["bria-rmbg"]
    assert [name for name, one in found.items() if one["finds"] == "faces"] == ["yunet"]
    assert found["u2netp"]["installed"] == catalogue.MODELS["u2netp"].installed


def test_presets_are_those_of_the_house_then_the_own_then_the_shared(
    asking: Client, alice: User, bob: User, olga: User
) -> None:
    shared = presets.save(olga, "Market", Recipe(quality=60))
    presets.share(shared, True)
    presets.save(alice, "Mine", Recipe(format="webp"))
    presets.save(bob, "Bob's", Recipe())
    found = asking.get("/api/v1/presets").json()["results"]
    assert [one["title"] for one in found[: len(presets.BUILT_IN)]] == [one.title for one in presets.BUILT_IN.values()]
    own, others = found[len(presets.BUILT_IN) :]
    assert (own["name"], own["shared"], own["recipe"]["format"]) == ("Mine", False, "webp")
    assert (others["id"], others["shared"], others["recipe"]["quality"]) == (shared.pk, True, 60)


def test_the_recipe_of_every_preset_is_one_that_can_be_sent(asking: Client, alice: User) -> None:
    Preset.objects.create(owner=alice, name="Old", recipe={"quality": 60, "a_field_of_long_ago": 1, "model": "gone"})
    for one in asking.get("/api/v1/presets").json()["results"]:
        Recipe(**one["recipe"])


def test_every_field_of_a_recipe_says_what_it_takes_and_its_default(asking: Client) -> None:
    fields = asking.get("/api/v1/recipe").json()["fields"]
    assert list(fields) == list(Recipe.model_fields)
    assert {name: one["default"] for name, one in fields.items()} == Recipe().to_json()
    assert fields["refine"]["enum"] == ["none", "smooth", "guided", "matting"]
    assert (fields["quality"]["minimum"], fields["quality"]["maximum"]) == (1, 100)


# ---- backgrounds ----------------------------------------------------------------------------------------------------


def sent(client: Client, data: bytes = b"", **fields: Any) -> Any:
    file = SimpleUploadedFile("wood.png", data or picture(format="PNG"))
    return client.post("/api/v1/backgrounds", fields or {"file": file})


def test_a_picture_that_is_sent_has_a_name_for_recipes(asking: Client) -> None:
    answer = sent(asking)
    made = answer.json()
    assert (answer.status_code, answer["Location"].endswith(f"/api/v1/backgrounds/{made['id']}")) == (201, True)
    assert Recipe(background=made["background"]).background_image == BackgroundImage.objects.get().sha256
    assert asking.get(f"/api/v1/backgrounds/{made['id']}").json() == made
    assert asking.get("/api/v1/backgrounds").json()["results"] == [made]
    file = asking.get(made["url"].removeprefix(settings.URL))
    assert (file["Content-Type"], content(file)) == ("image/png", picture(format="PNG"))
    assert asking.head(made["url"].removeprefix(settings.URL))["Content-Length"] == str(made["bytes"])


def test_the_same_picture_sent_twice_is_kept_once(asking: Client) -> None:
    assert sent(asking).json()["id"] == sent(asking).json()["id"]


def test_the_same_key_is_for_the_same_picture(asking: Client) -> None:
    def send(data: bytes) -> Any:
        file = SimpleUploadedFile("wood.png", data)
        return asking.post("/api/v1/backgrounds", {"file": file}, headers={"Idempotency-Key": "one"})

    first, again = send(picture(format="PNG")), send(picture(format="PNG"))
    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.json(), again["Location"]) == (first.json(), first["Location"])
    assert send(picture()).json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(("data", "code"), [(b"%PDF-1.7", "invalid_file_type"), (b"", "missing_source")])
def test_what_is_no_picture_is_refused(asking: Client, data: bytes, code: str) -> None:
    answer = sent(asking, data) if data else asking.post("/api/v1/backgrounds")
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_two_pictures_at_once_are_refused(asking: Client) -> None:
    pair = [io.BytesIO(picture(format="PNG")), io.BytesIO(picture(format="PNG"))]
    assert sent(asking, file=pair).json()["errors"][0]["pointer"] == "#/file"
    assert not BackgroundImage.objects.exists()


def test_a_deleted_picture_is_gone(asking: Client) -> None:
    pk = sent(asking).json()["id"]
    assert asking.delete(f"/api/v1/backgrounds/{pk}").status_code == 204
    assert asking.get(f"/api/v1/backgrounds/{pk}").status_code == 404


def test_those_of_operators_are_for_all_and_stay_theirs(asking: Client, olga: User, bob: User) -> None:
    for owner in (olga, bob):
        backgrounds.accept(owner, SimpleUploadedFile(f"{owner.username}.png", picture(format="PNG")))
    [only] = asking.get("/api/v1/backgrounds").json()["results"]
    assert only["name"] == "olga.png"
    assert asking.delete(f"/api/v1/backgrounds/{only['id']}").status_code == 404


def test_a_narrow_token_sees_none_of_its_owners_and_keeps_none(asking: Client, alice: User) -> None:
    pk = sent(asking).json()["id"]
    presets.save(alice, "Mine", Recipe())
    narrow = program(alice, is_narrow=True)
    assert narrow.get("/api/v1/backgrounds").json()["results"] == []
    assert narrow.get(f"/api/v1/backgrounds/{pk}").status_code == 404
    assert narrow.delete(f"/api/v1/backgrounds/{pk}").status_code == 404
    assert sent(narrow).status_code == 403
    assert "Mine" not in [one["name"] for one in narrow.get("/api/v1/presets").json()["results"]]
