"""What a report finds out of the preset."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from processing.face_presets import PRESETS, Range
from processing.pipeline import face
from processing.pipeline.landmarks import Head
from processing.pipeline.portrait import place
from processing.pipeline.portrait import report as judged
from processing.pipeline.step import Picture
from processing.recipe import Recipe

pytestmark = pytest.mark.weights


def report(image: Image.Image, cut: Image.Image | None = None, **recipe: Any) -> dict[str, Any]:
    (made,) = face.crop(Picture(cut or image, image), Recipe(crop_face=True, **recipe))
    (found,) = made.facts["face_reports"]
    assert found["pass"] == (not found["out"])
    assert all(text.endswith(".") for text in found["out"])
    return dict(found)


@pytest.fixture(scope="module")
def large(astronaut: Image.Image) -> Image.Image:
    return astronaut.resize((1536, 1536), Image.Resampling.LANCZOS)


@pytest.mark.parametrize("name", ["passport-35x45", "us-passport-2x2in", "china-passport-33x48", "headshot"])
def test_a_good_photo_passes(large: Image.Image, name: str) -> None:
    found = report(large, face_preset=name)
    assert found["out"] == []
    assert (found["preset"], found["crown"]) == (name, "estimated")


def test_a_print_says_its_lengths_in_mm(large: Image.Image) -> None:
    found = report(large, face_preset="us-passport-2x2in")["measured"]
    assert found["head_mm"] == pytest.approx(30, abs=0.1)
    assert found["eyes_mm"] == pytest.approx(31, abs=0.1)
    assert found["gap_mm"] == pytest.approx(50.8 - 31 - 30 / 2.05 * 1.05, abs=0.2)
    assert 0 < found["enlarged"] <= 1


def test_a_small_photo_is_no_sharp_print(astronaut: Image.Image) -> None:
    (reason,) = report(astronaut, face_preset="passport-35x45")["out"]
    assert re.fullmatch(r"The photo is enlarged 2\.[5-8] times: it is too small to be sharp\.", reason)


def test_eyes_that_are_not_level_are_out_of_a_passport(large: Image.Image) -> None:
    rolled = large.rotate(-10, expand=True, fillcolor="grey")
    (reason,) = report(rolled, face_preset="passport-35x45", face_align=False)["out"]
    assert reason in ("The eyes tilt by 14°.", "The eyes tilt by 15°.")
    assert report(rolled, face_preset="passport-35x45")["pass"]


def test_a_head_that_looks_to_the_side_is_out_of_a_passport() -> None:
    from skimage import data

    aside = Image.fromarray(data.camera()).convert("RGB").resize((1024, 1024))
    out = report(aside, face_preset="passport-35x45", dpi=150)["out"]
    assert any(reason.startswith("The head looks about ") for reason in out)


def test_a_length_that_is_out_is_said_with_what_it_should_be() -> None:
    points = {"eyes": [[460, 400], [540, 400]], "middle": [500, 400], "crown": [500, 195], "chin": [500, 600]}
    head = Head(**{name: np.array(at, float) for name, at in points.items()}, roll=0.0, yaw=0.0, seen=False)
    placing = place(head, PRESETS["uk-passport-35x45"], 300, level=True)
    assert judged(head, PRESETS["uk-passport-35x45"], placing, (1000, 1000), cut_out=False)["pass"]
    found = judged(head, PRESETS["passport-35x45"], placing, (1000, 1000), cut_out=False)
    assert found["out"] == ["The head is 31.5 mm high; it should be 32.0 mm to 36.0 mm."]
    found = judged(head, replace(PRESETS["uk-passport-35x45"], gap=Range(6, 7, 8)), placing, (1000, 1000), cut_out=True)
    assert found["out"] == ["The gap above the head is 5.0 mm; it should be 6.0 mm to 8.0 mm."]


def test_a_head_that_the_photo_cuts_is_said(astronaut: Image.Image) -> None:
    assert "The photo cuts the head." in report(astronaut.crop((0, 60, 512, 512)))["out"]
    assert "The photo cuts the head." not in report(astronaut)["out"]


def test_a_photo_that_ends_too_early_is_said(astronaut: Image.Image) -> None:
    out = report(astronaut.crop((0, 0, 512, 220)))["out"]
    assert any(reason.endswith("above the bottom edge.") and reason.startswith("The photo ends") for reason in out)


def test_what_is_filled_up_is_said_of_a_photo_but_not_of_a_cut_out(astronaut: Image.Image) -> None:
    part = astronaut.crop((150, 0, 512, 512))
    found = report(part)
    assert any(reason.endswith("lies beyond the photo and was filled up.") for reason in found["out"])
    assert found["measured"]["extended"] == pytest.approx(
        report(part, part.convert("RGBA"))["measured"]["extended"], abs=0.1
    )
    assert report(part, part.convert("RGBA"))["pass"]
