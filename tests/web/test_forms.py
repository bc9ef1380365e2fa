"""The form of a recipe: every field once, filled and read back without loss, and what is wrong said where it is."""

from typing import Any

import pytest

from processing.recipe import Recipe, choices
from processing.web.forms import SIMPLE, RecipeForm, values

pytestmark = pytest.mark.django_db

UNUSUAL = Recipe(
    remove_bg=False, model="u2netp", refine="smooth", decontaminate=False, trim=True, padding="5%", background="teal",
    shadow="soft", crop_face=False, face_policy="all", no_face="keep", face_align=False, size="1200x800", fit="pad",
    position="top-left", enlarge=True, format="webp", channels="alpha", quality=60, effort="small", max_bytes=300_000,
    dpi=600, metadata="keep-copyright", variants=("web", "hero:1920x1080"),
)  # fmt: skip


def sent(recipe: Recipe) -> dict[str, Any]:
    """What a browser sends: a switch that is off is left out."""
    return {name: "on" if value is True else value for name, value in values(recipe).items() if value is not False}


def test_every_field_of_a_recipe_is_in_the_form_once() -> None:
    form = RecipeForm()
    shown = [*SIMPLE, *(field.name for _, fields in form.groups() for field in fields)]
    assert sorted(shown) == sorted(Recipe.model_fields)


@pytest.mark.parametrize("recipe", [Recipe(model="u2netp"), UNUSUAL], ids=["default", "unusual"])
def test_a_recipe_survives_the_form(recipe: Recipe) -> None:
    form = RecipeForm(sent(recipe))
    assert form.is_valid(), form.errors
    assert form.recipe == recipe


@pytest.mark.parametrize(
    ("field", "word"),
    [(field, word) for field in Recipe.model_fields if field not in ("model", "remove_bg") for word in choices(field)],
)
def test_every_word_of_every_field_survives_the_form(field: str, word: str) -> None:
    recipe = Recipe(**{"model": "u2netp", "remove_bg": False, field: word})
    form = RecipeForm(sent(recipe))
    assert form.is_valid(), form.errors
    assert form.recipe == recipe


def test_what_was_left_out_is_at_its_default_but_switches_are_off() -> None:
    form = RecipeForm({"model": "u2netp", "quality": ""})
    assert form.is_valid()
    assert form.recipe == Recipe(model="u2netp", remove_bg=False, decontaminate=False, face_align=False)


def test_no_extra_sizes_are_none() -> None:
    form = RecipeForm({"model": "u2netp", "variants": ""})
    assert form.is_valid()
    assert form.recipe.variants == ()


@pytest.mark.parametrize(
    ("colour", "kept"), [("#123456", "#123456"), (" Teal ", "teal"), ("fff", "#fff"), ("#11223380", "#11223380")]
)
def test_any_colour_is_what_was_typed_beside_it(colour: str, kept: str) -> None:
    form = RecipeForm({"model": "u2netp", "background": "colour", "background_colour": colour})
    assert form.is_valid(), form.errors
    assert form.recipe.background == kept
    assert form.colour == colour.strip()


@pytest.mark.parametrize("colour", ["", "bleu", "#12"])
def test_a_colour_that_is_none_is_said_beside_it_and_kept(colour: str) -> None:
    form = RecipeForm({"model": "u2netp", "background": "colour", "background_colour": colour})
    assert [field.name for field in form.wrong] == ["background"]
    assert form.colour == colour


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quality", "0"), ("quality", "101"), ("quality", "much"), ("dpi", "71"), ("max_bytes", "little"),
        ("max_bytes", "1"), ("size", "big"), ("size", "9000x1"), ("padding", "5em"), ("background", "bleu"),
        ("background", "image:12"), ("variants", "result"), ("format", "exe"), ("model", "nonesuch"), ("fit", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field_and_kept(field: str, value: str) -> None:
    form = RecipeForm({"model": "u2netp", field: value})
    assert [wrong.name for wrong in form.wrong] == [field]
    assert form[field].value() == value


def test_a_model_that_is_not_here_is_said_at_the_model() -> None:
    form = RecipeForm({"model": "birefnet-portrait", "remove_bg": "on"})
    assert "fetch_weights birefnet-portrait" in form.errors["model"][0]


def test_it_says_what_is_not_the_default() -> None:
    assert RecipeForm().said == ""
    recipe = Recipe(format="webp", quality=60, size="1200x1200", trim=True, max_bytes=300_000, crop_face=True)
    assert RecipeForm(recipe=recipe).said == "trimmed, 1200x1200, WEBP, quality 60, at most 300 kB"
    assert (
        RecipeForm({"model": "u2netp", "decontaminate": "on", "face_align": "on", "quality": "x"}).said == "quality x"
    )


def test_a_field_with_an_error_names_its_help_and_its_error_for_a_screen_reader() -> None:
    html = str(RecipeForm({"model": "u2netp", "quality": "0"})["quality"])
    assert 'aria-describedby="id_quality_helptext id_quality_error"' in html
    assert 'aria-invalid="true"' in html
