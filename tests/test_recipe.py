"""A recipe is checked when it is built, and never changes after."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from processing import catalogue, recipe
from processing.errors import PhotoError
from processing.recipe import Recipe


def test_the_default_takes_the_background_away() -> None:
    assert Recipe().remove_bg
    assert Recipe().format == "auto"


def test_a_recipe_survives_json() -> None:
    chosen = Recipe(model="silueta", crop_face=True, format="webp", quality=40)
    assert Recipe(**chosen.to_json()) == chosen


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("padding", 40, "40"), ("padding", " 40 px ", "40"), ("padding", "5 %", "5%"), ("padding", "2.5%", "2.5%"),
        ("padding", "", "0"), ("size", "1200 × 800", "1200x800"), ("size", "1200X", "1200x"), ("size", "x800", "x800"),
        ("size", None, ""), ("background", "#FFF", "#fff"), ("background", "ffffff80", "#ffffff80"),
        ("background", " Teal", "teal"), ("background", "", "transparent"), ("background", "blur", "blur"),
        ("background", f"image:{'a' * 64}", f"image:{'a' * 64}"), ("max_bytes", "300 kB", 300_000),
        ("max_bytes", "1.2MB", 1_200_000), ("max_bytes", "1000", 1000), ("max_bytes", "", None),
        ("max_bytes", 5000, 5000), ("quality", "60", 60), ("variants", "web, small", ("web", "small")),
        ("variants", "", ()), ("variants", ["hero:1920x1080"], ("hero:1920x1080",)),
    ],
)  # fmt: skip
def test_what_people_write_is_understood(field: str, given: object, kept: object) -> None:
    assert getattr(Recipe(**{field: given}), field) == kept


@pytest.mark.parametrize(
    ("field", "given", "sentence"),
    [
        ("padding", "5em", "A margin is"), ("padding", "-1", "A margin is"), ("padding", "100%", "A margin is"),
        ("size", "x", "A size is"), ("size", "0x10", "A side has 1 to 8192 px."), ("size", "9000x", "A side has"),
        ("size", "8192x8192", "more than 50 megapixels"), ("background", "bleu", "A background is"),
        ("background", "#12345", "A background is"), ("background", "image:12", "A background is"),
        ("max_bytes", "much", "A size is a number of bytes"), ("max_bytes", "9" * 400, "A size is a number of bytes"),
        ("max_bytes", "999", "1000 at least"), ("quality", 101, "100 at most"), ("quality", 1.5, "A whole number"),
        ("dpi", 71, "72 at least"), ("fit", "squeeze", "'cover' or 'pad'"), ("trim", "maybe", "true or false"),
        ("variants", "nonesuch", "is none of thumbnail"), ("variants", "web:10", "is none of"),
        ("variants", "result:10", "is none of"), ("variants", "hero", "is none of"), ("variants", "a:0", "A side has"),
        ("variants", "a:10 a:20", "a name of its own"), ("variants", [f"v{n}:10" for n in range(21)], "20 at most"),
        ("variants", "{}", "is none of"), ("sparkle", True, "There is no such field."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_in_a_sentence(field: str, given: object, sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Recipe(**{field: given})
    [(named, said)] = recipe.problems(caught.value)
    assert named == field
    assert sentence in said


def test_its_numbers_are_read_from_its_words() -> None:
    chosen = Recipe(size="1200x", padding="5%", variants=("web", "hero:1920x1080", "tall:x80"))
    assert chosen.box == (1200, None)
    assert (chosen.margin(800), Recipe(padding="40").margin(800)) == (40, 40)
    assert chosen.extra_sizes == {"web": (1600, 1600), "hero": (1920, 1080), "tall": (recipe.MOST_SIDE, 80)}
    assert (Recipe().background_image, Recipe(background=f"image:{'a' * 64}").background_image) == (None, "a" * 64)


def test_every_field_says_what_it_is_and_where_it_belongs() -> None:
    assert all(field.title for field in Recipe.model_fields.values())
    assert all(recipe.group_of(name) for name in Recipe.model_fields)


@pytest.mark.parametrize("choice", [{"padding": "60", "size": "120x"}, {"padding": "50%", "size": "500x500"}])
def test_a_margin_that_leaves_no_room_is_refused_with_its_size(choice: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        Recipe(**choice)
    assert recipe.problems(caught.value) == [("size", "The margin leaves no room inside the size.")]
    assert Recipe(padding="59", size="120x").margin(120) == 59


@pytest.mark.parametrize("wrong", [{"model": "nonesuch"}, {"quality": 0}, {"format": "exe"}, {"blur": True}])
def test_what_does_not_fit_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        Recipe(**wrong)
    assert [field for field, _ in recipe.problems(caught.value)] == list(wrong)


def test_a_recipe_does_not_change() -> None:
    with pytest.raises(ValidationError):
        Recipe().quality = 3


def test_a_field_of_words_tells_its_words() -> None:
    assert recipe.choices("model") == tuple(catalogue.MODELS)
    assert recipe.choices("quality") == ()


def test_a_missing_model_counts_only_when_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    Recipe(remove_bg=False).check_installed()
    with pytest.raises(PhotoError, match="The model u2netp is not installed"):
        Recipe(model="u2netp").check_installed()
    with pytest.raises(PhotoError, match="yunet"):
        Recipe(remove_bg=False, crop_face=True).check_installed()


@pytest.mark.parametrize(
    ("kept", "lost"),
    [({"quality": 70}, []), ({"model": "nonesuch", "quality": 70}, ["model"]),
     ({"sparkle": True, "fit": "squeeze", "quality": 70}, ["fit", "sparkle"])],
)  # fmt: skip
def test_what_an_older_version_kept_is_read_as_far_as_it_fits(kept: dict[str, object], lost: list[str]) -> None:
    assert recipe.fitting(kept) == (Recipe(quality=70), lost)


@pytest.mark.parametrize(
    ("variant", "addition"),
    [("result", ""), ("result-2", "-2"), ("web", "-web"), ("web-2", "-web-2"), ("results", "-results")],
)
def test_the_name_of_a_file_tells_it_from_the_photos_others(variant: str, addition: str) -> None:
    assert recipe.addition(variant) == addition
