"""The largest face decides where the picture is cut."""

import pytest
from PIL import Image

from processing.errors import PhotoError
from processing.pipeline import face
from processing.pipeline.face import Box, headshot
from processing.pipeline.step import Picture
from processing.recipe import Recipe

pytestmark = pytest.mark.weights
HER_FACE = (224, 120)  # the middle between eyes and mouth, px of the photo


def cropped(image: Image.Image) -> Picture:
    return face.crop(Picture(image, image), Recipe(crop_face=True))


def test_a_face_is_found_where_it_is(astronaut: Image.Image) -> None:
    (box,) = face.find(astronaut)
    assert box.left < HER_FACE[0] < box.left + box.width
    assert box.top < HER_FACE[1] < box.top + box.height


def test_a_face_in_a_large_photo_is_found_at_its_place(astronaut: Image.Image) -> None:
    (small,), (large,) = face.find(astronaut), face.find(astronaut.resize((2048, 2048)))
    assert abs(large.left / 4 - small.left) < 8
    assert abs(large.height / 4 - small.height) < 8


def test_the_headshot_is_a_square_with_the_whole_head(astronaut: Image.Image) -> None:
    made = cropped(astronaut)
    left, top, right, bottom = made.facts["crop_box"]
    assert made.image.size == (right - left, bottom - top)
    assert made.image.width == made.image.height
    assert top < 25  # her hair
    assert bottom > 180  # her chin
    assert made.facts["faces"] == 1


def test_of_two_faces_the_larger_counts(astronaut: Image.Image) -> None:
    group = Image.new("RGB", (900, 512), "grey")
    group.paste(astronaut.resize((300, 300)), (0, 0))
    group.paste(astronaut, (380, 0))
    made = cropped(group)
    assert made.facts["faces"] == 2
    assert made.facts["crop_box"][0] > 380


def test_a_photo_without_a_face_says_so(cat: Image.Image) -> None:
    with pytest.raises(PhotoError) as caught:
        cropped(cat)
    assert caught.value.code == "no_face_found"


def test_the_face_is_looked_for_in_the_original(astronaut: Image.Image) -> None:
    nothing_left = Image.new("RGBA", astronaut.size)
    made = face.crop(Picture(nothing_left, astronaut), Recipe(crop_face=True))
    assert made.image.mode == "RGBA"


@pytest.mark.parametrize("box", [Box(-20, -30, 80, 90), Box(560, 300, 90, 120), Box(0, 0, 600, 400), Box(9, 9, 2, 3)])
def test_the_headshot_lies_inside_the_picture(box: Box) -> None:
    left, top, right, bottom = headshot(box, (600, 400))
    assert 0 <= left < right <= 600
    assert 0 <= top < bottom <= 400
    assert right - left == bottom - top
