"""Pictures as arrays, strip by strip, and back; sizes chosen so that the last strip is a short one."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from processing.pipeline import png
from processing.pipeline.grid import Grid, shrunk
from processing.pipeline.pixels import ROWS, pixels_of, under

from .conftest import opened

SIZES = ((40, 1), (41, ROWS), (42, 2 * ROWS + 5))
RANDOM = np.random.default_rng(5)


def noise(mode: str, size: tuple[int, int]) -> Image.Image:
    return Image.merge(mode, [Image.fromarray(RANDOM.integers(0, 256, size[::-1], np.uint8)) for _ in mode])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_the_pixels_are_those_of_the_picture(mode: str, size: tuple[int, int]) -> None:
    image = noise(mode, size)
    assert np.array_equal(pixels_of(image), np.asarray(image))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_an_alpha_takes_the_place_of_that_which_was_there(mode: str) -> None:
    image, alpha = noise(mode, SIZES[2]), noise("L", SIZES[2])
    made = under(alpha, image)
    assert made.mode == "RGBA"
    assert made.convert("RGB").tobytes() == image.convert("RGB").tobytes()
    assert made.getchannel("A").tobytes() == alpha.tobytes()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("write", [png.quick, png.small])
def test_a_png_has_all_that_is_seen_and_no_colour_that_is_not(
    write: Callable[[Image.Image], bytes], mode: str, size: tuple[int, int]
) -> None:
    image = noise(mode, size)
    if mode == "RGBA":
        image.putalpha(image.getchannel("A").point(lambda level: max(0, level - 128)))
    made = opened(write(image))
    expected = np.array(image)
    if mode == "RGBA":
        expected[expected[..., 3] == 0] = 0
    assert made.mode == mode
    assert np.array_equal(np.asarray(made), expected)


def test_what_is_shrunk_by_halves_is_the_mean_of_its_pixels() -> None:
    picture = np.asarray(noise("RGB", (96, 64)))
    means = picture.reshape(8, 8, 12, 8, 3).mean(axis=(1, 3))
    assert np.abs(shrunk(picture, (8, 12)) - means).max() <= 2


def test_what_is_not_0_is_found_and_the_small_copy_says_of_it_what_enlarging_would() -> None:
    full = np.asarray(noise("L", (301, 203))) // 200
    grid = Grid.of(full.shape, 100)
    places = np.concatenate(list(grid.places(full)))
    assert np.array_equal(places, np.flatnonzero(full))
    ramp = np.add.outer(np.arange(grid.small[0]), 2 * np.arange(grid.small[1])).astype(np.float32)
    [[there]] = grid.at(places, ramp)
    ways = zip(np.divmod(places, 301), grid.small, grid.full, strict=True)
    y, x = ((way + 0.5) * small / full - 0.5 for way, small, full in ways)
    expected = y.clip(0, grid.small[0] - 1) + 2 * x.clip(0, grid.small[1] - 1)
    assert np.abs(there - expected).max() < 0.1
