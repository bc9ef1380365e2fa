"""The mask is rembg's own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from processing.errors import PhotoError
from processing.pipeline import background
from processing.pipeline.run import run
from processing.pipeline.step import Picture
from processing.recipe import Recipe
from tests.environment import SHARED

from .conftest import LIMITS, opened

pytestmark = pytest.mark.weights
RECIPE = Recipe(model="u2netp")
SAMPLES = SHARED / "samples" / "rembg"


def removed(image: Image.Image) -> Image.Image:
    return background.remove(Picture(image, image), RECIPE).image


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="rembg's own test photos are not on this machine")
def test_rembgs_own_result_is_reproduced() -> None:
    made = run((SAMPLES / "anime-girl-1.jpg").read_bytes(), RECIPE, limits=LIMITS).files[0]
    ours = opened(made.data).getchannel("A")
    theirs = Image.open(SAMPLES / "anime-girl-1.u2netp.png").getchannel("A")
    assert np.abs(np.asarray(ours, float) - np.asarray(theirs, float)).mean() <= 1


def test_the_alpha_is_what_rembg_remove_gives(astronaut: Image.Image) -> None:
    import rembg

    theirs = rembg.remove(astronaut, session=background.session("u2netp")).getchannel("A")
    assert np.array_equal(np.asarray(removed(astronaut).getchannel("A")), np.asarray(theirs))


def test_the_subject_stays_and_the_background_goes(astronaut: Image.Image) -> None:
    image = removed(astronaut)
    assert image.mode == "RGBA"
    assert image.getpixel((220, 200))[3] > 240  # her hair
    assert image.getpixel((120, 40))[3] < 15  # the wall
    assert image.getpixel((220, 200))[:3] == astronaut.getpixel((220, 200))


def test_what_was_see_through_stays_see_through(astronaut: Image.Image) -> None:
    cut = astronaut.copy()
    cut.putalpha(Image.linear_gradient("L").resize(cut.size).point(lambda level: 255 if level > 127 else 0))
    alpha = np.asarray(removed(cut).getchannel("A"))
    assert alpha[:250].max() == 0
    assert alpha[270:].max() == 255


def test_the_session_is_warm() -> None:
    assert background.session("u2netp") is background.session("u2netp")


def test_a_missing_model_is_refused_and_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    with pytest.raises(PhotoError) as caught:
        background.session("silueta")
    assert caught.value.code == "model_not_installed"


def test_a_prediction_without_any_contrast_is_no_subject(monkeypatch: pytest.MonkeyPatch, cat: Image.Image) -> None:
    class Flat:
        """A network that says the same of every pixel."""

        def __init__(self) -> None:
            self.real = background.session("u2netp").inner_session

        def get_inputs(self) -> object:
            return self.real.get_inputs()

        def run(self, *args: object) -> list[np.ndarray]:
            return [np.full((1, 1, 320, 320), 0.25, dtype=np.float32)]

    monkeypatch.setattr(background.session("u2netp"), "inner_session", Flat())
    with pytest.raises(PhotoError) as caught:
        removed(cat)
    assert caught.value.code == "unknown_foreground"
