"""Every model of the catalogue does the same work: with its real weights where they are here, else with a stand-in."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from processing import catalogue
from processing.catalogue import Weights
from processing.errors import PhotoError
from processing.pipeline import background
from processing.pipeline.run import run
from processing.recipe import Recipe

from . import networks
from .conftest import LIMITS, file, opened


@pytest.fixture(autouse=True)
def nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, *args: object, **options: object) -> None:
        raise AssertionError(f"downloads {url}")

    monkeypatch.setattr("pooch.retrieve", refuse)


@pytest.fixture(params=catalogue.MODELS)
def weights(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    found = catalogue.MODELS[request.param]
    if not found.installed:
        monkeypatch.setenv("U2NET_HOME", str(tmp_path))
        networks.install(found)
    return found


@pytest.fixture(params=catalogue.MODELS)
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """A model in a folder of its own, for a stand-in alone."""
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    return catalogue.MODELS[request.param]


def figure() -> Image.Image:
    """Somebody's head and shoulders, bright before the dark."""
    image = Image.new("RGB", (360, 300), (16, 16, 20))
    draw = ImageDraw.Draw(image)
    draw.ellipse((130, 50, 230, 170), fill=(236, 214, 196))
    draw.rounded_rectangle((80, 180, 280, 340), 60, fill=(250, 244, 230))
    return image


def test_the_mask_has_the_photos_size_and_shows_the_subject(weights: Weights) -> None:
    mask, confidence = background.mask_of(figure(), weights.name)
    levels = np.asarray(mask, float)
    assert (mask.mode, mask.size) == ("L", (360, 300))
    assert levels[80:140, 160:200].min() > 200
    assert levels[220:280, 130:230].min() > 200
    assert levels[:30].max() < 40
    assert levels[:, :40].max() < 40
    assert confidence > 0.9


def test_a_photo_goes_the_whole_way(weights: Weights) -> None:
    outcome = run(file(figure()), Recipe(model=weights.name, format="png"), limits=LIMITS)
    result = opened(outcome.files[0].data)
    assert (result.mode, result.size) == ("RGBA", (360, 300))
    assert result.getpixel((180, 110))[3] > 200
    assert result.getpixel((20, 20))[3] < 40
    assert outcome.facts["model"] == weights.name
    assert weights.checksum.endswith(outcome.facts["model_checksum"])
    assert outcome.facts["review"] == []


def test_the_session_is_warm_as_long_as_its_file_is_the_same(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = background.session(weights.name)
    assert background.session(weights.name) is first
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "another"))
    networks.install(weights)
    assert background.session(weights.name) is not first


@pytest.mark.parametrize("bias", [-30.0, 30.0])
def test_a_network_that_says_the_same_of_every_pixel_found_no_subject(home: Weights, bias: float) -> None:
    networks.install(home, steep=0.0, bias=bias)
    with pytest.raises(PhotoError) as caught:
        background.mask_of(figure(), home.name)
    assert caught.value.code == "unknown_foreground"


def test_a_network_that_is_sure_of_nothing_found_no_subject(home: Weights) -> None:
    networks.install(home, steep=0.1)  # rembg would stretch the little that it sees to a mask that looks sure
    with pytest.raises(PhotoError) as caught:
        background.mask_of(figure(), home.name)
    assert caught.value.code == "unknown_foreground"
