"""Cutting away empty space."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from processing.pipeline.trim import box_of


def cut_out(size: tuple[int, int] = (200, 120), box: tuple[int, int, int, int] = (40, 30, 140, 90)) -> Image.Image:
    image = Image.new("RGBA", size)
    image.paste("teal", box)
    return image


def on_paper(colour: str = "white") -> Image.Image:
    image = Image.new("RGB", (200, 120), colour)
    image.paste("teal", (40, 30, 140, 90))
    return image


def test_what_is_transparent_goes() -> None:
    assert box_of(cut_out()) == (40, 30, 140, 90)


def test_the_box_is_exact_in_a_large_picture_too() -> None:
    assert box_of(cut_out((3001, 2003), (701, 333, 2222, 1999))) == (701, 333, 2222, 1999)


def test_a_thin_thing_that_belongs_to_the_subject_stays() -> None:
    image = cut_out((3000, 2000), (1000, 1000, 2000, 1900))
    ImageDraw.Draw(image).line((1500, 20, 1500, 1000), fill="teal", width=2)
    assert box_of(image) == (1000, 20, 2000, 1900)


def test_faint_haze_goes() -> None:
    image = cut_out()
    image.paste((255, 255, 255, 12), (0, 100, 200, 120))
    assert box_of(image) == (40, 30, 140, 90)


def test_a_soft_edge_stays() -> None:
    image = cut_out()
    image.paste((0, 128, 128, 40), (140, 30, 150, 90))
    assert box_of(image) == (40, 30, 150, 90)


def test_specks_of_dust_go_solid_or_faint() -> None:
    image = cut_out((2000, 1200), (400, 300, 1400, 900))
    for x in (5, 1700, 1990):
        image.paste((255, 0, 0, 255), (x, 5, x + 3, 8))
        image.paste((255, 0, 0, 60), (x, 1100, x + 30, 1130))
    assert box_of(image) == (400, 300, 1400, 900)


def test_a_second_thing_is_no_dust() -> None:
    image = cut_out()
    image.paste("red", (180, 100, 190, 110))
    assert box_of(image) == (40, 30, 190, 110)


def test_what_is_see_through_everywhere_is_trimmed_like_anything_else() -> None:
    image = Image.new("RGBA", (200, 120))
    image.paste((0, 128, 128, 60), (40, 30, 140, 90))
    assert box_of(image) == (40, 30, 140, 90)


@pytest.mark.parametrize("colour", ["white", "black", "khaki"])
def test_an_opaque_picture_loses_its_border_of_one_colour(colour: str) -> None:
    assert box_of(on_paper(colour)) == (40, 30, 140, 90)


def test_paper_need_not_be_quite_even() -> None:
    noise = np.random.default_rng(1).integers(0, 9, (120, 200, 3))
    image = Image.fromarray(
        (np.asarray(on_paper()) - noise.astype(np.uint8) * (np.asarray(on_paper()) == 255)).astype(np.uint8)
    )
    assert box_of(image) == (40, 30, 140, 90)


def test_a_thing_that_is_cut_by_the_picture_stays_cut_there() -> None:
    image = on_paper()
    image.paste("teal", (40, 30, 140, 120))
    assert box_of(image) == (40, 30, 140, 120)


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGBA", (60, 40)), Image.new("RGBA", (60, 40), (9, 9, 9, 5)), Image.new("RGB", (60, 40), "white"),
        Image.new("RGBA", (60, 40), "teal"), Image.new("RGBA", (1, 1)), Image.new("RGB", (1, 1)),
        Image.effect_noise((60, 40), 90).convert("RGB"),
    ],
    ids=["transparent", "faint", "white", "full", "one transparent px", "one px", "noise"],
)  # fmt: skip
def test_where_there_is_nothing_to_trim_all_stays(image: Image.Image) -> None:
    assert box_of(image) == (0, 0, *image.size)
