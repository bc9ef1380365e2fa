"""Which faces of a photo become results."""

import json
from typing import Any

import pytest
from PIL import Image

from processing.errors import PhotoError
from processing.pipeline import face
from processing.pipeline.landmarks import find
from processing.pipeline.step import Picture
from processing.recipe import Recipe

pytestmark = pytest.mark.weights
HER_FACE = (224, 120)  # the middle between eyes and mouth, px of the photo


def cropped(image: Image.Image, **recipe: Any) -> list[Picture]:
    return face.crop(Picture(image, image), Recipe(crop_face=True, **recipe))


def refusal(image: Image.Image, **recipe: Any) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        cropped(image, **recipe)
    return caught.value


@pytest.fixture(scope="module")
def group(astronaut: Image.Image) -> Image.Image:
    """Three people: of middle size, small in the middle, large; then a passer-by who is far away."""
    group = Image.new("RGB", (1500, 512), "grey")
    for side, place in ((400, (0, 112)), (300, (560, 100)), (512, (880, 0)), (110, (1390, 0))):
        group.paste(astronaut.resize((side, side), Image.Resampling.LANCZOS), place)
    return group


def heights(pictures: list[Picture]) -> list[int]:
    """Nothing is enlarged, so a result is as large as its face is."""
    return [picture.image.height for picture in pictures]


def test_a_face_is_found_where_it_is(astronaut: Image.Image) -> None:
    (one,) = find(astronaut)
    assert abs(one.middle[0] - HER_FACE[0]) < 8
    assert abs(one.middle[1] - HER_FACE[1]) < 8


def test_a_face_in_a_large_photo_is_found_at_its_place(astronaut: Image.Image) -> None:
    (small,), (large,) = find(astronaut), find(astronaut.resize((2048, 2048)))
    assert abs(large.middle[0] / 4 - small.middle[0]) < 4
    assert abs(large.height / 4 - small.height) < 8


@pytest.mark.parametrize("size", [(2000, 50), (50, 2000), (640, 32)])
def test_a_strip_without_a_face_has_none(size: tuple[int, int]) -> None:
    assert find(Image.new("RGB", size, "teal")) == []


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_small_face_in_a_photo_that_lies_sideways_is_found(astronaut: Image.Image, degrees: int) -> None:
    street = Image.new("RGB", (1600, 1200), "grey")
    street.paste(astronaut.resize((256, 256)), (900, 300))
    (upright,), (turned,) = find(street), find(street.rotate(degrees, expand=True))
    assert turned.height == pytest.approx(upright.height, rel=0.3)
    (made,) = cropped(street.rotate(degrees, expand=True))
    assert made.image.size == pytest.approx(cropped(street)[0].image.size, rel=0.03)


def test_of_several_faces_the_largest_counts(group: Image.Image, astronaut: Image.Image) -> None:
    (made,) = cropped(group)
    assert made.facts["faces"] == 3
    assert heights([made]) == pytest.approx(heights(cropped(astronaut)), rel=0.03)


def test_the_one_in_the_middle_of_the_photo_may_be_small(group: Image.Image) -> None:
    (made,) = cropped(group, face_policy="center")
    assert heights([made]) == pytest.approx([300 / 512 * cropped(group)[0].image.height], rel=0.05)


def test_all_gives_a_result_for_each_face_from_left_to_right(group: Image.Image) -> None:
    made = cropped(group, face_policy="all")
    left, middle, right = heights(made)
    assert middle < left < right
    assert [one.facts["faces"] for one in made] == [3, 3, 3]
    assert [len(one.facts["face_reports"]) for one in made] == [3, 3, 3]
    assert json.loads(json.dumps(made[0].facts)) == made[0].facts


def test_passers_by_count_for_no_policy(astronaut: Image.Image) -> None:
    street = Image.new("RGB", (760, 512), "grey")
    street.paste(astronaut)
    street.paste(astronaut.resize((120, 120)), (600, 200))
    assert len(find(street)) == 2
    assert len(cropped(street, face_policy="all")) == 1
    assert len(cropped(street, face_policy="center")) == 1
    assert len(cropped(street, face_policy="reject")) == 1


def test_more_than_one_face_is_refused_where_one_is_wanted(group: Image.Image) -> None:
    error = refusal(group, face_policy="reject")
    assert error.code == "multiple_faces"
    assert "3 faces" in error.message


@pytest.mark.parametrize("policy", ["largest", "center", "all", "reject"])
def test_a_photo_without_a_face_says_so(cat: Image.Image, policy: str) -> None:
    assert refusal(cat, face_policy=policy).code == "no_face_found"


def test_a_photo_without_a_face_can_be_kept_as_it_is(cat: Image.Image) -> None:
    (made,) = cropped(cat, no_face="keep")
    assert made.image is cat
    assert made.facts == {"faces": 0, "uncropped": True}


def test_a_face_too_small_for_a_print_says_how_large_it_must_be(astronaut: Image.Image) -> None:
    error = refusal(astronaut, face_preset="passport-35x45", dpi=600)
    assert error.code == "face_too_small"
    assert "268 px" in error.message
    assert len(cropped(astronaut, face_preset="passport-35x45", dpi=300)) == 1


def test_of_several_faces_those_too_small_for_a_print_are_told(group: Image.Image) -> None:
    made = cropped(group, face_policy="all", face_preset="passport-35x45")
    assert made[0].facts["faces"] == 3
    assert made[0].facts["faces_too_small"] == 3 - len(made) > 0
    assert refusal(group, face_policy="reject", face_preset="passport-35x45").code == "multiple_faces"


def test_a_face_of_a_few_pixels_is_too_small_for_anything(astronaut: Image.Image) -> None:
    tiny = astronaut.resize((120, 120))
    assert refusal(tiny, face_preset="square-avatar").code == "face_too_small"
    assert cropped(tiny, no_face="keep")[0].facts["uncropped"]


def test_the_face_is_looked_for_in_the_original(astronaut: Image.Image) -> None:
    nothing_left = Image.new("RGBA", astronaut.size)
    (made,) = face.crop(Picture(nothing_left, astronaut), Recipe(crop_face=True))
    assert made.image.mode == "RGBA"
    assert made.facts["faces"] == 1
