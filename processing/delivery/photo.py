"""One photo on its way out: which file, under which name, shown or saved."""

import re
from dataclasses import dataclass
from posixpath import splitext

from django.db import connection
from django.http import HttpRequest, HttpResponseBase

from processing import show, storage
from processing.delivery import stream
from processing.errors import PhotoError
from processing.models import BackgroundImage, Upload, Variant
from processing.recipe import addition
from processing.variants import is_for_people

CONTENT_TYPES = {
    "avif": "image/avif",
    "bmp": "image/bmp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "webp": "image/webp",
}
TYPES = tuple(dict.fromkeys(CONTENT_TYPES.values()))
CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
SHOWN = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/avif")  # anything else is only ever saved


@dataclass(frozen=True)
class Download:
    """A stored file and how it goes out. `etag` changes with the bytes; width and height are in px."""

    key: str
    content_type: str
    filename: str
    etag: str
    width: int
    height: int


def download(upload: Upload, name: str) -> Download | None:
    """The file of an upload by its variant's name, or `original`; None where there is none.

    Raises PhotoError `no_longer_kept`.
    """
    if name == "original":
        return _original(upload)
    variant = variant_of(upload, name)
    if variant is None:
        if upload.results_removed_at and is_for_people(name):
            raise PhotoError("no_longer_kept", what="The result was", day=show.day(upload.results_removed_at))
        return None
    return of_variant(upload, variant)


def of_variant(upload: Upload, variant: Variant) -> Download:
    """The file of one that is made."""
    return Download(
        key=variant.key,
        content_type=content_type(variant.format),
        filename=file_name(upload.name, variant.format, addition(variant.name)),
        etag=variant.sha256 or variant.key,
        width=variant.width,
        height=variant.height,
    )


def of_background(image: BackgroundImage) -> Download:
    """A picture to lie behind subjects, as it was sent."""
    return Download(image.key, content_type(image.format), image.name, image.sha256, image.width, image.height)


def response(
    request: HttpRequest, file: Download, *, save: bool, max_age: int, public: bool = False
) -> HttpResponseBase:
    """The file as an answer: shown in the page, or saved. Raises PhotoError as `stream.file_response` does.

    What may be kept (`max_age` is in seconds) is a picture in a page, and is not looked for where a bucket gives it."""
    _let_go()
    return stream.file_response(
        request,
        file.key,
        content_type=file.content_type,
        filename=file.filename,
        inline=not save and file.content_type in SHOWN,
        etag=file.etag,
        max_age=max_age,
        public=public,
    )


def _let_go() -> None:
    """No connection to the database is held while a bucket or a client is waited for: there are only so many."""
    if not connection.in_atomic_block:
        connection.close()


def address(file: Download) -> str | None:
    """Where anybody fetches it from the bucket for a while; None where it comes from us."""
    headers = stream.describe(file.content_type, file.filename, inline=file.content_type in SHOWN)
    return storage.address(file.key, file.content_type, headers["Content-Disposition"])


def variant_of(upload: Upload, name: str) -> Variant | None:
    """The variant of that name, once it is made."""
    return upload.variants.filter(name=name, status=Variant.Status.COMPLETED).exclude(key="").first()


def _original(upload: Upload) -> Download | None:
    if upload.source_removed_at:
        raise PhotoError("no_longer_kept", what="The original was", day=show.day(upload.source_removed_at))
    if not upload.source:
        return None
    return Download(
        key=upload.source,
        content_type=content_type(upload.source_format),
        filename=base_name(upload.name),
        etag=upload.source_sha256 or upload.source,
        width=upload.source_width or 0,
        height=upload.source_height or 0,
    )


def content_type(format: str) -> str:
    return CONTENT_TYPES.get(format.lower(), "application/octet-stream")


def file_name(name: str, format: str, addition: str = "") -> str:
    """The name of a file made from the photo `name`: shoe.jpeg → shoe.png."""
    suffix = "jpg" if format.lower() == "jpeg" else format.lower()
    return f"{splitext(base_name(name))[0]}{addition}.{suffix}"


def base_name(name: str) -> str:
    """Without folders, whatever they are parted by, and without control characters; never empty."""
    last = CONTROLS.sub("", name.replace("\\", "/").rsplit("/", 1)[-1])
    return last if last.strip(". ") else "photo"
