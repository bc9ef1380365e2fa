"""The mask is rembg's own; where there is no subject, there is no cut-out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from processing.errors import PhotoError
from processing.pipeline import background
from processing.pipeline.run import run
from processing.pipeline.step import Picture
from processing.recipe import Recipe
from tests.environment import SHARED

from .conftest import LIMITS, opened

pytestmark = pytest.mark.weights
RECIPE = Recipe(model="u2netp", refine="none", decontaminate=False)
SAMPLES = SHARED / "samples" / "rembg"


def removed(image: Image.Image) -> Image.Image:
    [picture] = background.remove(Picture(image, image), RECIPE)
    return picture.image


def refused(image: Image.Image) -> bool:
    try:
        removed(image)
    except PhotoError as error:
        return error.code == "unknown_foreground"
    return False


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="rembg's own test photos are not on this machine")
def test_rembgs_own_result_is_reproduced() -> None:
    made = run((SAMPLES / "anime-girl-1.jpg").read_bytes(), RECIPE, limits=LIMITS).files[0]
    ours = opened(made.data).getchannel("A")
    theirs = Image.open(SAMPLES / "anime-girl-1.u2netp.png").getchannel("A")
    assert np.abs(np.asarray(ours, float) - np.asarray(theirs, float)).mean() <= 1


@pytest.mark.parametrize("side", [300, 512, 1600])
def test_the_alpha_is_what_rembg_gives_but_for_the_way_it_is_scaled(side: int, astronaut: Image.Image) -> None:
    import rembg

    photo = astronaut.resize((side, side))
    theirs = rembg.remove(photo, session=background.session("u2netp")).getchannel("A")
    apart = np.abs(np.asarray(removed(photo).getchannel("A"), float) - np.asarray(theirs, float))
    assert apart.mean() < 1
    assert np.quantile(apart, 0.99) < 10


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


def test_a_photo_that_was_see_through_everywhere_keeps_its_subject(astronaut: Image.Image) -> None:
    faint = astronaut.copy()
    faint.putalpha(100)
    assert removed(faint).getchannel("A").getextrema() == (0, 100)


def test_the_facts_say_how_sure_the_model_was_and_whether_to_look(astronaut: Image.Image) -> None:
    [picture] = background.remove(Picture(astronaut, astronaut), RECIPE)
    assert picture.facts["mask"]["confidence"] > 0.95
    assert 0.5 < picture.facts["mask"]["subject"] < 0.6
    assert picture.facts["review"] == []
    assert picture.facts["subject_box"][2:] == [512, 512]  # her shoulder and her suit


def test_the_box_holds_what_is_rather_subject_than_not() -> None:
    mask = Image.new("L", (60, 40), 127)
    assert background._box(mask, (60, 40)) == [0, 0, 60, 40]
    mask.paste(128, (10, 5, 30, 40))
    assert background._box(mask, (60, 40)) == [10, 5, 30, 40]
    assert background._box(mask, (120, 100)) == [20, 12, 60, 100]


def test_a_missing_model_is_refused_and_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    with pytest.raises(PhotoError) as caught:
        background.session("silueta")
    assert caught.value.code == "model_not_installed"


def test_weights_that_cannot_be_read_are_blamed_on_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    (tmp_path / "silueta.onnx").write_bytes(b"no network")
    with pytest.raises(PhotoError) as caught:
        background.session("silueta")
    assert (caught.value.code, caught.value.values["model"]) == ("model_failed", "silueta")
    assert caught.value.transient


@pytest.mark.parametrize(("trouble", "raised"), [(RuntimeError("bad"), PhotoError), (MemoryError(), MemoryError)])
def test_a_network_that_cannot_be_run_is_blamed_on_the_model_unless_memory_lacks(
    trouble: Exception, raised: type[Exception], astronaut: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise trouble

    monkeypatch.setattr(background.session("u2netp").inner_session, "run", broken)
    with pytest.raises(raised):
        background.mask_of(astronaut, "u2netp")


# ---- no subject -----------------------------------------------------------------------------------------------------


def noisy(colour: str, deviation: float) -> Image.Image:
    noise = np.random.default_rng(7).normal(0, deviation, (480, 640, 3))
    levels = np.asarray(Image.new("RGB", (640, 480), colour)) + noise
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("colour", ["white", "black", "#808080", "teal", "red", "#e8e0d0", "magenta", "#8000ff"])
@pytest.mark.parametrize("deviation", [0, 4, 10])
def test_a_photo_of_one_colour_has_no_subject(colour: str, deviation: float) -> None:
    assert refused(noisy(colour, deviation))


def test_noise_and_gradients_have_no_subject() -> None:
    noise = np.random.default_rng(7).integers(0, 256, (480, 640, 3), np.uint8)
    assert refused(Image.fromarray(noise))
    assert refused(Image.fromarray(noise[..., 0]).convert("RGB"))
    assert refused(Image.linear_gradient("L").resize((640, 480)).convert("RGB"))
    assert refused(Image.radial_gradient("L").resize((640, 480)).convert("RGB"))


@pytest.mark.parametrize("name", ["grass", "gravel", "moon", "text"])
def test_a_surface_without_anything_on_it_has_no_subject(name: str) -> None:
    from skimage import data

    assert refused(Image.fromarray(getattr(data, name)()).convert("RGB"))


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket", "camera", "cell"])
def test_a_subject_is_never_taken_for_none(name: str) -> None:
    from skimage import data

    assert not refused(Image.fromarray(getattr(data, name)()).convert("RGB"))


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="rembg's own test photos are not on this machine")
@pytest.mark.parametrize("name", ["anime-girl-1", "car-1", "cloth-1", "plants-1"])
def test_a_subject_of_rembgs_own_photos_is_never_taken_for_none(name: str) -> None:
    assert not refused(Image.open(SAMPLES / f"{name}.jpg").convert("RGB"))


@pytest.mark.parametrize(("half", "ground", "subject"), [(10, "#f4f4f4", "#802020"), (110, "white", "#f0f0f0")])
def test_a_small_subject_and_a_pale_one_are_found(half: int, ground: str, subject: str) -> None:
    image = Image.new("RGB", (800, 600), ground)
    ImageDraw.Draw(image).ellipse((400 - half, 300 - half, 400 + half, 300 + half), fill=subject)
    assert not refused(image)


def test_a_photo_that_is_wholly_see_through_has_no_subject(astronaut: Image.Image) -> None:
    empty = astronaut.copy()
    empty.putalpha(0)
    assert refused(empty)


@pytest.mark.parametrize("colour", ["white", "black"])
def test_what_was_cut_out_before_stays_whole_whatever_its_colour(colour: str) -> None:
    image = Image.new("RGBA", (600, 600))
    ImageDraw.Draw(image).ellipse((60, 60, 540, 540), fill=colour)
    alpha = np.asarray(removed(image).getchannel("A"), float)
    assert np.abs(alpha - np.asarray(image.getchannel("A"))).mean() < 5


def test_a_hole_is_no_subject() -> None:
    """What stands out is where nothing is: it is as light as the rest is not, before it is judged."""
    image = Image.new("RGBA", (800, 600), "teal")
    ImageDraw.Draw(image).ellipse((300, 200, 500, 420), fill=(128, 32, 32, 0))
    assert refused(image)


def test_where_an_accelerator_cannot_be_used_the_processor_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def without_libraries(name: str, sess_opts: Any, providers: list[Any]) -> Any:
        asked.append(providers)
        if len(providers) > 1:
            raise RuntimeError("libcudnn.so.9: cannot open shared object file")
        return made

    asked: list[list[Any]] = []
    made = object()
    monkeypatch.setattr(background, "new_session", without_libraries)
    monkeypatch.setenv("PHOTO_ACCELERATOR", "cuda")
    assert background._made("u2netp") is made
    assert asked == [[("CUDAExecutionProvider", {}), "CPUExecutionProvider"], ["CPUExecutionProvider"]]
    assert "u2netp cannot be run on the GPU (CUDA), and so on the processor" in caplog.text
