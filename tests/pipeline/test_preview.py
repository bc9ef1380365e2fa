"""Small pictures, without the models."""

import subprocess
import sys

import pytest
from PIL import Image

from processing.pipeline.preview import small, thumbnail

from .conftest import LIMITS, corners, file, opened


def test_a_thumbnail_is_small_in_every_way(astronaut: Image.Image) -> None:
    made = thumbnail(file(astronaut.resize((3000, 2000)), "JPEG", quality=95), LIMITS)
    assert (made.name, made.format, made.width, made.height) == ("source-thumbnail", "webp", 320, 213)
    assert opened(made.data).size == (320, 213)
    assert len(made.data) <= 15_000


def test_a_thumbnail_of_a_turned_photo_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    made = thumbnail(file(corners().resize((1200, 800)), "JPEG", exif=exif), LIMITS)
    assert (made.width, made.height) == (213, 320)
    red, green, _ = opened(made.data).getpixel((200, 10))
    assert (red > 200, green < 60) == (True, True)  # what was top left is top right


def test_nothing_is_enlarged() -> None:
    image = corners()
    assert small(image, "preview", 1024).width == 120
    assert image.size == (120, 80)


@pytest.mark.parametrize("module", ["processing.pipeline.preview", "processing.header"])
def test_thumbnails_need_neither_models_nor_opencv(module: str) -> None:
    heavy = "{'cv2', 'rembg', 'onnxruntime', 'numba', 'django'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
