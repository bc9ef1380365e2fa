"""Where the head comes to lie, and what is beyond the photo."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

from processing.face_presets import PRESETS
from processing.pipeline import face
from processing.pipeline.decode import ORIENTATION, UPRIGHT, decode
from processing.pipeline.landmarks import find, head_of
from processing.pipeline.step import Picture
from processing.recipe import Recipe

from .conftest import LIMITS

pytestmark = pytest.mark.weights
BICUBIC = Image.Resampling.BICUBIC


def cropped(image: Image.Image, cut: Image.Image | None = None, **recipe: Any) -> Picture:
    (made,) = face.crop(Picture(cut or image, image), Recipe(crop_face=True, **recipe))
    return made


def measured(made: Picture) -> dict[str, float]:
    found: dict[str, float] = made.facts["face_reports"][0]["measured"]
    return found


def alike(one: Image.Image, other: Image.Image) -> float:
    return float(structural_similarity(np.asarray(one), np.asarray(other), channel_axis=2))


def cut_out(image: Image.Image, top: int = 0) -> Image.Image:
    """The photo, solid from the row `top` on."""
    cut = image.convert("RGBA")
    cut.paste((0, 255, 0, 0), (0, 0, image.width, top))
    return cut


# ---- size -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dpi", [150, 300])
@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.mm])
def test_a_print_has_its_exact_size(astronaut: Image.Image, name: str, dpi: int) -> None:
    assert cropped(astronaut, face_preset=name, dpi=dpi).image.size == PRESETS[name].pixels(dpi)


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if not preset.mm])
def test_a_picture_for_screens_has_its_proportions_and_is_never_enlarged(astronaut: Image.Image, name: str) -> None:
    small, large = cropped(astronaut, face_preset=name), cropped(astronaut.resize((4096, 4096)), face_preset=name)
    preset = PRESETS[name]
    assert large.image.size == (preset.width, preset.height)
    assert small.image.width < preset.width
    assert small.image.width / small.image.height == pytest.approx(preset.width / preset.height, abs=0.01)
    assert measured(small)["enlarged"] == 1


def test_a_picture_for_screens_is_enlarged_where_that_is_asked_for(astronaut: Image.Image) -> None:
    made = cropped(astronaut, face_preset="head", enlarge=True)
    assert made.image.size == PRESETS["head"].pixels(300)
    assert measured(made)["enlarged"] > 1.5
    assert "it is too small to be sharp" in made.facts["face_reports"][0]["out"][0]


@pytest.mark.parametrize("name", PRESETS)
def test_the_head_keeps_every_length_of_its_preset(astronaut: Image.Image, name: str) -> None:
    made = cropped(astronaut.resize((2048, 2048), BICUBIC), face_preset=name, dpi=150)
    head = head_of(made.image, find(made.image)[0])  # measured anew, on the result
    unit = made.image.height / PRESETS[name].height
    assert head.height / unit == pytest.approx(PRESETS[name].head.best, rel=0.05)
    assert head.roll == pytest.approx(0, abs=1.5)
    assert head.middle[0] == pytest.approx(made.image.width / 2, rel=0.04)
    if eyes := PRESETS[name].eyes:
        assert eyes.least < (made.image.height - head.eyes[:, 1].mean()) / unit < eyes.most


def test_the_headshot_has_the_eyes_in_the_upper_third_and_the_whole_head(astronaut: Image.Image) -> None:
    found = measured(cropped(astronaut))
    assert found["eyes_share"] == pytest.approx(2 / 3, abs=0.03)
    assert found["gap_share"] > 0.08


# ---- roll -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def turned(astronaut: Image.Image) -> float:
    """Degrees that the photo is turned by as it is."""
    return measured(cropped(astronaut))["turned_degrees"]


@pytest.mark.parametrize("degrees", [-45, -20, -8, 8, 20, 45, 90, 180])
def test_a_rolled_head_is_turned_until_its_eyes_are_level(astronaut: Image.Image, turned: float, degrees: int) -> None:
    made = cropped(astronaut.rotate(degrees, BICUBIC, expand=True, fillcolor="grey"))
    assert (measured(made)["turned_degrees"] - turned + degrees + 180) % 360 - 180 == pytest.approx(0, abs=1)
    assert measured(made)["roll_degrees"] == pytest.approx(0, abs=0.5)


def test_a_head_may_stay_rolled(astronaut: Image.Image, turned: float) -> None:
    rolled = astronaut.rotate(-15, BICUBIC, expand=True)
    made = cropped(rolled, face_align=False)
    assert measured(made)["turned_degrees"] == 0
    assert measured(made)["roll_degrees"] == pytest.approx(15 + turned, abs=1)


def test_a_head_that_is_level_keeps_the_photos_own_pixels(astronaut: Image.Image) -> None:
    made = cropped(astronaut, face_align=False)
    whole, part = np.asarray(astronaut), np.asarray(made.image)[60:100, 90:130]
    windows = np.lib.stride_tricks.sliding_window_view(whole[..., 0], part.shape[:2])
    assert (windows[:200, :300] == part[..., 0]).all(axis=(2, 3)).any()


def test_a_profile_is_not_turned() -> None:
    from skimage import data

    bowed = Image.fromarray(data.camera()).convert("RGB")  # a man who looks into a camera, from the side
    assert measured(cropped(bowed))["turned_degrees"] == 0


# ---- the photo's orientation ----------------------------------------------------------------------------------------


def test_the_eight_orientations_of_a_photo_give_the_same_crop(astronaut: Image.Image) -> None:
    made = [cropped(decode(stored(astronaut, orientation), LIMITS).image) for orientation in range(1, 9)]
    for one in made[1:]:
        assert one.image.size == pytest.approx(made[0].image.size, abs=1)
        assert alike(one.image.resize(made[0].image.size), made[0].image) > 0.94
        for name, value in measured(made[0]).items():
            assert measured(one)[name] == pytest.approx(value, abs=0.5 if name.endswith("degrees") else 0.005)
        assert one.facts["face_reports"][0]["out"] == made[0].facts["face_reports"][0]["out"]


def stored(upright: Image.Image, orientation: int) -> bytes:
    """A JPEG whose pixels are turned, with the EXIF orientation that turns them back."""
    undo = {
        Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
        Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
    }
    turn = UPRIGHT.get(orientation)
    exif, out = Image.Exif(), io.BytesIO()
    exif[ORIENTATION] = orientation
    turned = upright if turn is None else upright.transpose(undo.get(turn, turn))
    turned.save(out, "JPEG", quality=97, subsampling=0, exif=exif)
    return out.getvalue()


# ---- beyond the photo -----------------------------------------------------------------------------------------------


def test_beyond_a_cut_out_it_is_see_through_and_the_head_stays_where_it_belongs(astronaut: Image.Image) -> None:
    part = astronaut.crop((150, 0, 512, 512))
    made, whole = cropped(part, cut_out(part)), cropped(astronaut, cut_out(astronaut))
    assert made.image.size == pytest.approx(whole.image.size, abs=4)
    assert made.image.getpixel((3, 200))[3] == 0
    assert made.image.getpixel((made.image.width // 2, 150))[3] == 255
    assert 0.2 < measured(made)["extended"] < 0.4


def test_beyond_a_photo_its_edge_goes_on(astronaut: Image.Image) -> None:
    made = cropped(astronaut.crop((120, 0, 512, 512)))
    assert made.image.mode == "RGB"
    wall = np.asarray(made.image)[:60, :20].reshape(-1, 3).astype(float)
    assert np.abs(wall.mean(axis=0) - np.asarray(astronaut)[:60, 125:140].reshape(-1, 3).mean(axis=0)).max() < 20


def test_beyond_a_photo_a_background_that_is_asked_for_can_show(astronaut: Image.Image) -> None:
    made = cropped(astronaut.crop((150, 0, 512, 512)), background="#ff0000")
    assert made.image.mode == "RGBA"
    assert made.image.getpixel((3, 200))[3] == 0


def test_the_scene_moves_along_and_has_no_holes(astronaut: Image.Image) -> None:
    part = astronaut.crop((150, 0, 512, 512))
    (made,) = face.crop(Picture(cut_out(part), part, scene=part), Recipe(crop_face=True, background="blur"))
    assert made.scene
    assert made.scene.mode == "RGB"
    assert made.scene.size == made.image.size
    middle = (100, 60, 220, 260)
    assert alike(made.scene.crop(middle), made.image.convert("RGB").crop(middle)) > 0.99


def test_the_colour_under_full_transparency_never_shows(astronaut: Image.Image) -> None:
    cut = Image.new("RGBA", astronaut.size, (0, 255, 0, 0))
    white = Image.new("RGBA", astronaut.size, (255, 255, 255, 255))
    cut.paste(white.crop((0, 0, 150, 512)), (150, 0))
    pixels = np.asarray(cropped(astronaut, cut, face_preset="passport-35x45").image)  # turned and enlarged
    edge = pixels[(pixels[..., 3] > 25) & (pixels[..., 3] < 230)].astype(int)
    assert len(edge) > 500
    assert edge[:, :3].min() > 240


# ---- the crown ------------------------------------------------------------------------------------------------------


def test_the_crown_is_where_the_cut_out_ends(astronaut: Image.Image) -> None:
    head = head_of(astronaut, find(astronaut)[0], cut_out(astronaut, top=30).getchannel("A"))
    assert head.seen
    assert head.crown[1] == pytest.approx(30, abs=2)


@pytest.mark.parametrize("top", [0, 70], ids=["a hat that fills the photo", "a mask that ends below the hair"])
def test_a_crown_that_cannot_be_one_is_estimated(astronaut: Image.Image, top: int) -> None:
    tall = Image.new("RGB", (512, 612), "grey")
    tall.paste(astronaut, (0, 100))
    (found,) = find(tall)
    head = head_of(tall, found, cut_out(tall, top and top + 100).getchannel("A"))
    assert not head.seen
    assert head.crown[1] == pytest.approx(head_of(tall, found).crown[1], abs=0.1)
    assert 110 < head.crown[1] < 130  # her hair begins at 115
