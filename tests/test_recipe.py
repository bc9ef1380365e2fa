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
