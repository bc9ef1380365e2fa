"""Pictures behind subjects: judged by their content, kept once, found by who may use them, cleared with their owner."""

import os

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image, ImageChops

from processing import backgrounds, housekeeping, storage, tasks
from processing.errors import PhotoError
from processing.intake import photos
from processing.models import BackgroundImage, Job, Upload
from processing.recipe import Recipe
from processing.storage import disk
from tests import make
from tests.conftest import picture


def sent(data: bytes | None = None, name: str = "wall.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, picture(300, 200) if data is None else data)


def on(image: BackgroundImage) -> Recipe:
    return Recipe(remove_bg=False, model="u2netp", background=backgrounds.value_of(image))


def test_a_picture_is_kept_once_per_owner(alice: User, bob: User) -> None:
    first = backgrounds.accept(alice, sent())
    assert backgrounds.accept(alice, sent(name="again.jpg")) == first
    assert backgrounds.accept(bob, sent()) != first
    assert len(list(disk.path(f"{alice.pk}/backgrounds").iterdir())) == 1
    assert (first.name, first.format, first.width, first.height) == ("wall.jpg", "jpeg", 300, 200)
    assert backgrounds.read(alice.pk, on(first)) == picture(300, 200)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "failed_to_read_image"),
        (b"hello", "invalid_file_type"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "invalid_file_type"),
        (picture(9, 9), "image_too_small"),
        (picture(5000, 60), "resolution_too_high"),
        (picture(900, 700, quality=95)[:3000], "failed_to_read_image"),
    ],
    ids=["empty", "text", "svg", "small", "large", "cut short"],
)
def test_what_is_no_picture_is_refused_and_leaves_nothing(alice: User, data: bytes, code: str) -> None:
    with pytest.raises(PhotoError) as caught:
        backgrounds.accept(alice, sent(data))
    assert caught.value.code == code
    assert not disk.path(f"{alice.pk}/backgrounds").exists()


def test_own_ones_and_operators_may_be_used(alice: User, bob: User, olga: User) -> None:
    of_bob, of_olga = backgrounds.accept(bob, sent()), backgrounds.accept(olga, sent(picture(60, 60)))
    backgrounds.check(alice.pk, on(of_olga))
    backgrounds.check(alice.pk, Recipe())
    with pytest.raises(PhotoError, match="background_missing"):
        backgrounds.check(alice.pk, on(of_bob))
    with pytest.raises(PhotoError, match="background_missing"):
        photos.accept(alice, [sent()], on(of_bob))
    assert not Job.objects.exists()


def test_it_lies_behind_the_photo(alice: User) -> None:
    image = backgrounds.accept(alice, sent(picture(80, 80, colour="navy")))
    recipe = on(image).model_copy(update={"size": "200x80", "fit": "pad", "format": "png"})
    upload = make.job(alice, recipe=recipe).uploads.get()
    tasks.process_upload(upload.pk)
    result = upload.variants.get(name="result")
    with Image.open(disk.path(result.key)) as made:
        corner = made.convert("RGB").crop((0, 0, 10, 80))
    assert max(high for _, high in ImageChops.difference(corner, Image.new("RGB", (10, 80), "navy")).getextrema()) < 8


def test_a_photo_that_waits_for_a_deleted_one_fails_with_the_reason(alice: User) -> None:
    image = backgrounds.accept(alice, sent())
    upload = make.job(alice, recipe=on(image)).uploads.get()
    backgrounds.delete(image)
    assert not disk.path(image.key).exists()
    tasks.process_upload(upload.pk)
    assert Upload.objects.get().error_code == "background_missing"


def test_a_lost_file_is_the_same_as_none(alice: User) -> None:
    image = backgrounds.accept(alice, sent())
    storage.delete([image.key])
    with pytest.raises(PhotoError, match="background_missing"):
        backgrounds.read(alice.pk, on(image))


def test_the_tidying_leaves_them_and_clears_those_of_people_who_are_gone(alice: User, bob: User) -> None:
    kept, lost = backgrounds.accept(alice, sent()), backgrounds.accept(bob, sent())
    for image in (kept, lost):
        for place in (disk.path(image.key), disk.path(image.key).parent):
            os.utime(place, (0, 0))
    bob.delete()
    housekeeping.tidy()
    assert disk.path(kept.key).exists()
    assert not disk.path(lost.key).exists()
