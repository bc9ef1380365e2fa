"""Which file of a photo goes out, under which name, shown or saved."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponseBase
from django.test import RequestFactory

from processing.delivery import photo
from processing.models import Upload, Variant
from processing.storage import disk
from tests.delivery import made


def answer(upload: Upload, name: str, *, save: bool = False) -> HttpResponseBase:
    file = photo.download(upload, name)
    assert file
    response = photo.response(RequestFactory().get("/"), file, save=save, max_age=0)
    response.close()
    return response


@pytest.fixture
def upload(alice: User) -> Upload:
    upload = made.upload(made.job(alice), "Blue shoe.jpeg")
    made.variant(upload, "result", b"result", "png")
    made.variant(upload, "thumbnail", b"small", "webp")
    return upload


def test_a_result_has_the_photo_s_name_and_its_own_extension(upload: Upload) -> None:
    response = answer(upload, "result", save=True)
    assert response.headers["Content-Disposition"] == 'attachment; filename="Blue shoe.png"'
    assert response.headers["Content-Type"] == "image/png"


def test_other_variants_say_which_they_are(upload: Upload) -> None:
    response = answer(upload, "thumbnail")
    assert response.headers["Content-Disposition"] == 'inline; filename="Blue shoe-thumbnail.webp"'
    assert response.headers["Content-Type"] == "image/webp"


@pytest.mark.django_db(transaction=True)
def test_no_connection_to_the_database_is_held_while_a_file_is_sent(upload: Upload) -> None:
    answer(upload, "result")
    assert connection.connection is None


def test_each_of_several_results_has_its_number(upload: Upload) -> None:
    made.variant(upload, "result-2", b"another face", "avif")
    response = answer(upload, "result-2")
    assert response.headers["Content-Disposition"] == 'inline; filename="Blue shoe-2.avif"'
    assert response.headers["Content-Type"] == "image/avif"


def test_the_tag_follows_the_bytes(upload: Upload) -> None:
    before = answer(upload, "result").headers["ETag"]
    made.variant(upload, "result", b"another", "png")
    assert answer(upload, "result").headers["ETag"] != before


def test_the_original_keeps_its_name(upload: Upload) -> None:
    assert answer(upload, "original", save=True).headers["Content-Disposition"] == (
        'attachment; filename="Blue shoe.jpeg"'
    )


@pytest.mark.parametrize(
    ("format", "shown"),
    [("JPEG", True), ("png", True), ("webp", True), ("gif", True), ("avif", True), ("tiff", False), ("svg", False)],
)
def test_an_original_is_shown_only_where_every_browser_can(upload: Upload, format: str, shown: bool) -> None:
    upload.source_format = format
    assert answer(upload, "original").headers["Content-Disposition"].startswith("inline" if shown else "attachment")


def test_an_unknown_format_has_no_type_that_could_run(upload: Upload) -> None:
    upload.source_format = "svg"
    assert answer(upload, "original").headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize("name", ["preview", "nonsense", "", "../result"])
def test_what_is_not_there_is_none(upload: Upload, name: str) -> None:
    assert photo.download(upload, name) is None


def test_what_is_not_made_yet_is_none(upload: Upload) -> None:
    Variant.objects.create(upload=upload, name="preview")
    assert photo.download(upload, "preview") is None
    upload.source = ""
    assert photo.download(upload, "original") is None


def test_a_key_never_leaves_the_house(upload: Upload) -> None:
    upload.variants.update(key="../../secret_key")
    with pytest.raises(ValueError, match="is not a key"):
        answer(upload, "result")
    assert disk.path("a").parent.name == "files"


@pytest.mark.parametrize(
    ("name", "file_name"),
    [
        ("shoe.jpg", "shoe.png"),
        ("shoe.tar.gz", "shoe.tar.png"),
        ("shoe", "shoe.png"),
        ("Schöne Schuhe.JPG", "Schöne Schuhe.png"),
        ("../../etc/passwd", "passwd.png"),
        ("..\\..\\boot.ini", "boot.png"),
        ("/", "photo.png"),
        ("..", "photo.png"),
        ("", "photo.png"),
        ("line\r\nbreak.jpg", "linebreak.png"),
    ],
)
def test_names(name: str, file_name: str) -> None:
    assert photo.file_name(name, "png") == file_name


def test_jpeg_ends_in_jpg() -> None:
    assert photo.file_name("shoe.png", "JPEG") == "shoe.jpg"
