"""Small pictures, without the models."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from processing.pipeline.preview import small, variants_of

from .conftest import LIMITS, corners, file, opened


def test_a_thumbnail_is_small_in_every_way(astronaut: Image.Image) -> None:
    made = small(file(astronaut.resize((3000, 2000)), "JPEG", quality=95), "source-thumbnail", (320, 320), LIMITS)
    assert (made.name, made.format, made.width, made.height) == ("source-thumbnail", "webp", 320, 213)
    assert opened(made.data).size == (320, 213)
    assert len(made.data) <= 15_000


def test_a_thumbnail_of_a_turned_photo_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    made = small(file(corners().resize((1200, 800)), "JPEG", exif=exif), "source-thumbnail", (320, 320), LIMITS)
    assert (made.width, made.height) == (213, 320)
    red, green, _ = opened(made.data).getpixel((200, 10))
    assert (red > 200, green < 60) == (True, True)  # what was top left is top right


def test_nothing_is_enlarged() -> None:
    image = corners()
    assert variants_of(image, {"preview": (1024, 1024)})[0].width == 120
    assert image.size == (120, 80)


BOXES = {
    "thumbnail": (320, 320),
    "wide": (1600, 100),
    "large": (2400, 2400),
    "half": (500, 8192),
    "preview": (1024, 1024),
}


def test_each_size_lies_in_its_box_and_keeps_the_shape(astronaut: Image.Image) -> None:
    made = variants_of(astronaut.resize((2000, 1501)), BOXES)
    assert [(one.name, one.width, one.height) for one in made] == [
        ("thumbnail", 320, 240), ("wide", 133, 100), ("large", 2000, 1501), ("half", 500, 375), ("preview", 1024, 769),
    ]  # fmt: skip
    for one in made:
        assert opened(one.data).size == (one.width, one.height)


@pytest.mark.parametrize("size", [(4096, 50), (50, 4096)])
def test_the_slimmest_strip_has_a_side_left(size: tuple[int, int]) -> None:
    made = variants_of(Image.new("RGB", size), {"thumbnail": (320, 320), "tiny": (16, 16)})
    assert [min(one.width, one.height) for one in made] == [4, 1]


def test_what_is_made_from_a_smaller_copy_looks_as_from_the_whole(astronaut: Image.Image) -> None:
    photo = astronaut.resize((3000, 3000))
    chained = {one.name: opened(one.data) for one in variants_of(photo, BOXES)}
    for name, box in BOXES.items():
        alone = opened(variants_of(photo, {name: box})[0].data)
        assert (
            np.abs(np.asarray(chained[name], float) - np.asarray(alone, float)).mean() < 4
        )  # of which WEBP has its share


def test_what_cannot_be_seen_leaves_no_fringe() -> None:
    """A white disc on hidden black: scaled down, each pixel of it is white still."""
    image = Image.new("RGBA", (1200, 1200), (0, 0, 0, 0))
    image.paste((255, 255, 255, 255), mask=Image.radial_gradient("L").resize(image.size).point([255] * 128 + [0] * 128))
    for made in variants_of(image, {"thumbnail": (320, 320), "preview": (1024, 1024)}):
        pixels = np.asarray(opened(made.data).convert("RGBA"))
        edge = pixels[(pixels[..., 3] > 30) & (pixels[..., 3] < 220)]
        assert len(edge) > 200
        assert edge[..., :3].min() > 235


def test_a_mask_is_shown_in_grey(astronaut: Image.Image) -> None:
    thumbnail = opened(variants_of(astronaut.convert("L"), {"thumbnail": (320, 320)})[0].data)
    assert (
        np.abs(
            np.asarray(thumbnail.convert("L"), float) - np.asarray(astronaut.convert("L").resize((320, 320)), float)
        ).mean()
        < 4
    )


@pytest.mark.parametrize("module", ["processing.pipeline.preview", "processing.header"])
def test_thumbnails_need_neither_models_nor_opencv(module: str) -> None:
    heavy = "{'cv2', 'rembg', 'onnxruntime', 'numba', 'django'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
