"""Recipes under a name: saved once, opened as far as they fit, shared, and the one that a new job begins with."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile

from processing import backgrounds, presets
from processing.models import Preset
from processing.presets import NameTaken
from processing.recipe import Recipe
from tests.conftest import picture

LAMPS = Recipe(model="u2netp", background="white", format="jpg", quality=70)


@pytest.mark.parametrize("preset", presets.BUILT_IN.values(), ids=list(presets.BUILT_IN))
def test_a_built_in_one_is_a_recipe(preset: presets.BuiltIn) -> None:
    assert {name: getattr(preset.recipe, name) for name in preset.changes} == preset.changes


def test_what_is_saved_opens_as_it_was(alice: User) -> None:
    saved = presets.save(alice, "Lamps", LAMPS)
    assert presets.opened(alice, Preset.objects.get(pk=saved.pk)) == (LAMPS, [])


def test_a_name_is_taken_once_and_replaced_only_when_told(alice: User, bob: User) -> None:
    first = presets.save(alice, "Lamps", LAMPS)
    presets.save(bob, "Lamps", LAMPS)
    with pytest.raises(NameTaken):
        presets.save(alice, "Lamps", Recipe())
    assert presets.save(alice, "Lamps", Recipe(), replace=True).pk == first.pk
    assert presets.opened(alice, Preset.objects.get(pk=first.pk))[0] == Recipe()


def test_a_name_that_is_taken_is_not_given_by_renaming(alice: User) -> None:
    presets.save(alice, "Lamps", LAMPS)
    other = presets.save(alice, "Mugs", LAMPS)
    with pytest.raises(NameTaken):
        presets.rename(other, "Lamps")
    presets.rename(other, "Cups")
    assert [one.name for one in presets.listed(alice)] == ["Cups", "Lamps"]


def test_own_ones_come_before_shared_ones_and_others_are_not_there(alice: User, bob: User, olga: User) -> None:
    presets.share(presets.save(olga, "A house rule", LAMPS), True)
    presets.save(olga, "Of Olga", LAMPS)
    presets.save(bob, "Of Bob", LAMPS)
    presets.save(alice, "Zebra", LAMPS)
    assert [one.name for one in presets.listed(alice)] == ["Zebra", "A house rule"]


def test_two_of_one_name_cannot_both_be_shared(olga: User, admin_user: User) -> None:
    presets.share(presets.save(olga, "Lamps", LAMPS), True)
    other = presets.save(admin_user, "Lamps", LAMPS)
    with pytest.raises(NameTaken):
        presets.share(other, True)


def test_a_default_that_is_shared_no_longer_is_none(alice: User, olga: User) -> None:
    shared = presets.save(olga, "Lamps", LAMPS)
    presets.share(shared, True)
    presets.make_default(alice, shared)
    assert presets.default_of(alice) == shared
    presets.share(shared, False)
    assert presets.default_of(alice) is None
    presets.share(shared, True)
    presets.make_default(alice, None)
    assert presets.default_of(alice) is None


@pytest.mark.parametrize(
    ("values", "lost"),
    [
        ({"quality": 70, "background": "white"}, []),
        ({"quality": 700, "background": "white"}, ["Quality"]),
        ({"sparkle": True, "background": "white"}, ["sparkle"]),
        ({"model": "nonesuch", "background": "white"}, ["Model"]),
        ({"model": "birefnet-portrait", "background": "white"}, ["Model"]),
        ({"model": "u2netp", "background": f"image:{'0' * 64}"}, ["Background"]),
        ({"size": "100x100", "padding": "50", "background": "white"}, ["Size"]),
    ],
    ids=["fields missing", "out of range", "unknown field", "unknown model", "not installed", "no image", "no room"],
)
def test_what_no_longer_fits_is_at_its_default_and_named(alice: User, values: dict[str, Any], lost: list[str]) -> None:
    preset = Preset.objects.create(owner=alice, name="Old", recipe=values)
    recipe, named = presets.opened(alice, preset)
    assert named == lost
    assert recipe.background == ("transparent" if lost == ["Background"] else "white")


def test_a_shared_preset_with_an_operators_background_opens_for_everybody(alice: User, olga: User) -> None:
    image = backgrounds.accept(olga, SimpleUploadedFile("wall.jpg", picture()))
    shared = presets.save(olga, "Wall", Recipe(model="u2netp", background=backgrounds.value_of(image)))
    presets.share(shared, True)
    assert presets.opened(alice, shared)[1] == []


@pytest.mark.parametrize(
    ("text", "name"), [("  Shop \n standard ", "Shop standard"), ("\u202e\u200f ", ""), ("a" * 99, "a" * 60)]
)
def test_a_name_is_one_line_that_can_be_seen(text: str, name: str) -> None:
    assert presets.name_of(text) == name
