"""The subject in its frame."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from skimage.metrics import structural_similarity

from processing.pipeline.frame import STEP
from processing.pipeline.scale import scaled
from processing.pipeline.step import Picture
from processing.recipe import Recipe

from .conftest import corners

GOLDEN = Path(__file__).parent / "golden"
UPLOADED = "image:" + "0" * 64


def framed(picture: Picture | Image.Image, **choice: object) -> Image.Image:
    if isinstance(picture, Image.Image):
        picture = Picture(picture, picture.convert("RGB"))
    return only(picture, **choice).image


def only(picture: Picture, **choice: object) -> Picture:
    made = STEP.do(picture, Recipe(**choice))
    assert len(made) == 1
    return made[0]


def disc(colour: str = "white", hidden: str = "black") -> Image.Image:
    """A disc of 200 px in the middle of 300 px, its edge soft; under full transparency lies another colour."""
    mask = Image.new("L", (1200, 1200))
    ImageDraw.Draw(mask).ellipse((200, 200, 999, 999), fill=255)
    mask = mask.resize((300, 300), Image.Resampling.BOX)
    image = Image.new("RGB", mask.size, hidden)
    image.paste(colour, mask=mask.point(lambda alpha: 255 * (alpha > 0)))
    image.putalpha(mask)
    return image


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def two_coloured(subject: str = "lime") -> Picture:
    """A subject before a scene that is red on the left and blue on the right."""
    scene = Image.new("RGB", (400, 300), "red")
    scene.paste("blue", (200, 0, 400, 300))
    scene.paste(subject, (150, 100, 250, 200))
    cut = Image.new("RGBA", scene.size)
    cut.paste(subject, (150, 100, 250, 200))
    return Picture(cut, scene, scene=scene)


@pytest.mark.parametrize(
    "choice",
    [
        {"trim": True}, {"padding": "3"}, {"padding": "5%"}, {"size": "9x"}, {"background": "#fff"},
        {"background": "blur"}, {"shadow": "soft"}, {"channels": "alpha"},
    ],
)  # fmt: skip
def test_the_step_is_taken_where_the_recipe_asks_for_a_frame(choice: dict[str, object]) -> None:
    assert STEP.wanted(Recipe(**choice))
    assert not STEP.wanted(Recipe())


# ---- size ----------------------------------------------------------------------------------------------------------
def test_each_corner_lands_where_it_belongs() -> None:
    image = framed(corners(), fit="pad", size="80x80", padding="10", background="white")
    assert (image.mode, image.size) == ("RGB", (80, 80))
    # 60 x 40 in the middle, each quarter with a colour of its own
    assert [image.getpixel(at) for at in ((15, 25), (65, 25), (15, 55), (65, 55), (40, 15), (5, 40))] == [
        (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255), (255, 255, 255),
    ]  # fmt: skip


def test_cover_cuts_from_where_it_is_told() -> None:
    image = framed(corners(), fit="cover", size="20x20", position="top-right")
    assert image.size == (20, 20)
    assert image.getpixel((18, 2)) == (0, 255, 0)
    assert image.getpixel((18, 18)) == (0, 0, 0)


def test_trimmed_padded_and_put_on_a_square_the_subject_is_in_the_middle() -> None:
    picture = Image.new("RGBA", (400, 300))
    picture.paste("teal", (10, 20, 110, 70))
    made = only(Picture(picture, picture), trim=True, padding="10%", size="500x500", fit="pad", enlarge=True)
    assert made.image.getchannel("A").getbbox() == (50, 150, 450, 350)
    assert made.facts == {"trim_box": [10, 20, 110, 70], "canvas": [500, 500]}
    assert json.loads(json.dumps(made.facts)) == made.facts


def test_nothing_asked_of_an_opaque_picture_leaves_it_as_it_is() -> None:
    image = corners()
    for choice in ({"trim": True}, {"background": "teal"}, {"shadow": "soft"}, {"size": "500x500"}):
        assert np.array_equal(pixels(framed(image, **choice)), pixels(image))


def test_a_smaller_cut_out_has_no_fringe_of_what_was_hidden() -> None:
    image = pixels(scaled(disc("white", hidden="black"), (77, 77)))
    assert (image[image[..., 3] > 0][:, :3] == 255).all()
    assert ((image[..., 3] > 0) & (image[..., 3] < 255)).any()


def test_a_larger_cut_out_has_none_either() -> None:
    image = pixels(scaled(disc("red", hidden="lime"), (700, 700)))
    assert (image[image[..., 3] > 8][:, 1] < 20).all()


def test_a_smaller_photo_looks_like_the_larger(astronaut: Image.Image) -> None:
    best = astronaut.resize((200, 200), Image.Resampling.LANCZOS)
    ours = scaled(astronaut, (200, 200))
    assert structural_similarity(np.asarray(best), np.asarray(ours), channel_axis=2) > 0.98


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (4096, 50), (1, 300)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("asked", ["", "1x1", "16x400", "x7"])
@pytest.mark.parametrize("background", ["transparent", "#1238", "blur"])
def test_odd_shapes_come_through(size: tuple[int, int], mode: str, asked: str, background: str) -> None:
    image = Image.new(mode, size)  # RGBA: fully transparent
    picture = Picture(image, image, scene=image)
    for fit in ("contain", "cover", "pad"):
        choice = {"size": asked, "fit": fit, "background": background, "trim": True, "shadow": "soft"}
        made = framed(picture, **choice)
        assert min(made.size) >= 1
        if fit == "pad" and asked in ("1x1", "16x400"):
            assert made.size == tuple(int(side) for side in asked.split("x"))


# ---- background ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("background", "mode", "colour"),
    [
        ("#f00", "RGB", (255, 0, 0)), ("teal", "RGB", (0, 128, 128)), ("#123456", "RGB", (0x12, 0x34, 0x56)),
        ("#123456ff", "RGB", (0x12, 0x34, 0x56)), ("#12345680", "RGBA", (0x12, 0x34, 0x56, 0x80)),
        ("#f008", "RGBA", (255, 0, 0, 0x88)), ("transparent", "RGBA", (0, 0, 0, 0)),
    ],
)  # fmt: skip
def test_a_colour_is_exactly_that_colour(background: str, mode: str, colour: tuple[int, ...]) -> None:
    image = framed(two_coloured().image, background=background)
    assert (image.mode, image.getpixel((3, 3))) == (mode, colour)
    assert image.getpixel((200, 150))[:3] == (0, 255, 0)


def test_a_soft_edge_mixes_with_the_background() -> None:
    image = Image.new("RGBA", (10, 10), (255, 255, 255, 128))
    assert framed(image, background="black").getpixel((5, 5)) == (128, 128, 128)


def test_a_background_fills_only_what_the_padding_of_an_opaque_picture_adds() -> None:
    image = framed(corners(), padding="10", background="#123456")
    assert (image.mode, image.size) == ("RGB", (140, 100))
    assert image.getpixel((5, 50)) == (0x12, 0x34, 0x56)
    assert np.array_equal(pixels(image)[10:90, 10:130], pixels(corners()))


def test_padding_of_an_opaque_picture_without_a_background_is_transparent() -> None:
    image = framed(corners(), padding="10")
    assert (image.mode, image.getpixel((5, 5)), image.getpixel((20, 20))) == ("RGBA", (0, 0, 0, 0), (255, 0, 0, 255))


def test_an_uploaded_picture_fills_the_canvas_behind_the_subject() -> None:
    ground = Image.new("RGB", (300, 100), "red")
    ground.paste("yellow", (100, 0, 200, 100))
    picture = replace(two_coloured(), ground=ground)
    image = framed(picture, trim=True, size="160x160", fit="pad", background=UPLOADED)
    assert (image.mode, image.size) == ("RGB", (160, 160))
    assert [image.getpixel(at) for at in ((2, 2), (157, 157), (80, 80))] == [(255, 255, 0), (255, 255, 0), (0, 255, 0)]


def test_the_blur_has_nothing_of_the_subject() -> None:
    image = pixels(framed(two_coloured("lime"), background="blur"))
    behind = np.ones(image.shape[:2], bool)
    behind[100:200, 150:250] = False
    assert image[behind][:, 1].max() <= 2
    assert (image[150, 200] == (0, 255, 0)).all()


def test_the_blur_lies_where_the_scene_lay_also_after_trimming_and_scaling() -> None:
    whole = pixels(framed(two_coloured(), background="blur"))
    middle = np.abs(whole[50, :, 0] - whole[50, :, 2]).argmin()
    assert abs(middle - 200) <= 2

    # the subject's 100 px become 80, at 110 to 190 of the canvas, so that the middle of the scene is at 150
    trimmed = pixels(
        framed(two_coloured(), trim=True, background="blur", size="200x100", fit="pad", padding="10", position="right")
    )
    middle = np.abs(trimmed[3, :, 0] - trimmed[3, :, 2]).argmin()
    assert abs(middle - 150) <= 2
    assert trimmed[3, 5, 0] > 240
    assert trimmed[3, 195, 2] > 200


def test_the_blur_of_a_plain_scene_is_that_plain_colour_also_beyond_it() -> None:
    scene = Image.new("RGB", (300, 300), (90, 120, 150))
    picture = Picture(disc(), scene, scene=scene)
    image = pixels(framed(picture, background="blur", size="800x500", fit="pad"))
    assert np.abs(image[:, :240] - (90, 120, 150)).max() <= 2


def test_the_blur_of_an_opaque_picture_goes_on_around_it() -> None:
    scene = Image.new("RGB", (200, 100), "red")
    scene.paste("blue", (100, 0, 200, 100))
    image = framed(Picture(scene, scene, scene=scene), background="blur", padding="40")
    assert (image.mode, image.size) == ("RGB", (280, 180))
    assert np.array_equal(pixels(image)[40:140, 40:240], pixels(scene))
    assert image.getpixel((4, 90))[0] > 250
    assert image.getpixel((275, 4))[2] > 250


# ---- shadow --------------------------------------------------------------------------------------------------------
def test_the_shadow_is_translucent_black_under_and_below_the_subject() -> None:
    subject = disc("white")
    image = pixels(framed(subject, shadow="soft"))
    alpha = image[..., 3]
    assert (image[alpha == 255][:, :3] == 255).all()  # it lies under the subject
    outside = pixels(subject)[..., 3] == 0
    assert (image[outside][:, :3] == 0).all()
    assert 20 < alpha[outside].max() < 90
    assert alpha[255, 150] > 2 * alpha[44, 150]  # more of it below than above
    assert np.abs(alpha - alpha[:, ::-1]).max() <= 1


def test_a_soft_edge_over_the_shadow_keeps_its_colour() -> None:
    image = Image.new("RGBA", (60, 60), (255, 255, 255, 128))
    white = pixels(framed(image, shadow="soft", background="white"))
    clear = pixels(framed(image, shadow="soft"))
    over_white = clear[..., :3] * clear[..., 3:] / 255 + 255 - clear[..., 3:]
    assert np.abs(over_white - white).max() <= 2


def test_the_shadow_of_a_large_picture_is_that_of_a_small_one() -> None:
    small = framed(disc(), shadow="soft", background="white")
    large = framed(scaled(disc(), (1500, 1500)), shadow="soft", background="white")
    assert np.abs(pixels(large.resize((300, 300), Image.Resampling.BOX)) - pixels(small)).mean() < 1


# ---- mask ----------------------------------------------------------------------------------------------------------
def test_the_mask_alone_is_grey_in_the_same_frame() -> None:
    choice = {"trim": True, "padding": "10", "size": "140x100", "fit": "pad"}
    picture = replace(two_coloured(), ground=corners())
    mask = framed(picture, **choice, channels="alpha", background=UPLOADED, shadow="soft")
    assert (mask.mode, mask.size) == ("L", (140, 100))
    assert np.array_equal(pixels(mask), pixels(framed(picture, **choice))[..., 3])


def test_the_mask_of_an_opaque_picture_is_white_where_the_picture_is() -> None:
    mask = framed(corners(), channels="alpha", padding="5")
    assert mask.getbbox() == (5, 5, 125, 85)
    assert mask.getextrema() == (0, 255)


# ---- looked at once ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("on-white-with-shadow", {"background": "#fff", "shadow": "soft"}),
        ("on-its-own-blur", {"background": "blur"}),
        ("shadow-on-nothing", {"shadow": "soft"}),
    ],
)
def test_a_cut_out_looks_as_it_did_when_it_was_looked_at(
    cat: Image.Image, name: str, choice: dict[str, object]
) -> None:
    mask = Image.new("L", cat.size)
    ImageDraw.Draw(mask).ellipse((60, 20, 380, 280), fill=255)
    cut = cat.copy()
    cut.putalpha(mask)
    picture = Picture(cut, cat, scene=cat)
    made = framed(picture, trim=True, padding="12%", size="160x160", fit="pad", **choice)
    golden = Image.open(GOLDEN / f"frame-{name}.png")
    assert (made.mode, made.size) == (golden.mode, golden.size)
    assert np.abs(pixels(made) - pixels(golden)).mean() < 1.5
    assert structural_similarity(np.asarray(made), np.asarray(golden), channel_axis=2) > 0.97
