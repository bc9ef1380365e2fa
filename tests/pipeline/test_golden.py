"""Whole recipes over one photo, held against pictures that somebody looked at.

After a change that is meant to be seen: delete the golden files it changes, run this with GOLDEN=write, look at them.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

from processing.pipeline.encode import on_white
from processing.pipeline.run import run
from processing.recipe import Recipe

from .conftest import LIMITS, file, opened

pytestmark = pytest.mark.weights
FOLDER = Path(__file__).parent / "golden"
SIDE = 256
RECIPES = {
    "cut-out": Recipe(model="u2netp"),
    "mask": Recipe(model="u2netp", channels="alpha"),
    "as-rembg": Recipe(model="u2netp", refine="none", decontaminate=False),
    "smooth": Recipe(model="u2netp", refine="smooth"),
    "matting": Recipe(model="u2netp", refine="matting"),
    "shop": Recipe(
        model="u2netp", trim=True, padding="8%", size="400x500", fit="pad", background="white", shadow="soft"
    ),
    "blur": Recipe(model="u2netp", background="blur", format="jpg"),
    "headshot": Recipe(model="u2netp", crop_face=True, background="#dfe6ee"),
    "passport": Recipe(remove_bg=False, crop_face=True, face_preset="passport-35x45"),
    "banner": Recipe(remove_bg=False, size="400x200", fit="cover", position="top", format="webp", quality=70),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_gives_the_picture_that_was_looked_at(name: str, astronaut: Image.Image) -> None:
    made = seen(run(file(astronaut), RECIPES[name], limits=LIMITS).files[0].data)
    golden = FOLDER / f"{name}.webp"
    if os.environ.get("GOLDEN") == "write" and not golden.exists():
        FOLDER.mkdir(exist_ok=True)
        made.save(golden, quality=92)
    expected = Image.open(golden).convert("RGB")
    assert made.size == expected.size
    one, other = np.asarray(made, float), np.asarray(expected, float)
    assert np.abs(one - other).mean() < 3
    assert structural_similarity(one, other, channel_axis=2, data_range=255) > 0.96


def seen(data: bytes) -> Image.Image:
    """A small copy on white, so that alpha counts."""
    image = opened(data)
    image = on_white(image if image.mode == "RGBA" else image.convert("RGB"))
    image.thumbnail((SIDE, SIDE))
    return image
