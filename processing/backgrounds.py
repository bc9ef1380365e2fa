"""Pictures that people lay behind their subjects: kept once per owner, named in a recipe by their SHA-256."""

from typing import Any, BinaryIO, cast

from django.contrib.auth.models import User
from django.core.files import File

from processing import access, header, storage
from processing.errors import PhotoError
from processing.header import Header
from processing.intake import arriving, limits
from processing.intake.names import clean
from processing.models import BackgroundImage
from processing.recipe import IMAGE, Recipe

GLANCE = (512, 512)  # px; a JPEG is read that small to see whether it is whole


def accept(owner: User, file: "File[Any]") -> BackgroundImage:
    """Keep a picture that is judged; the same one again gives the first. Raises PhotoError as these two do."""
    return keep(owner, file, judge(file))


def judge(file: "File[Any]") -> Header:
    """As a photo is judged, and read to its end. Raises PhotoError as `header.judge` does."""
    with header.reading():
        image = header.opened(cast(BinaryIO, file.file), file.size, limits.house(), whole=True)
        found = header.describe(image)
        image.draft("RGB", GLANCE)
        image.load()
    return found


def keep(owner: User, file: "File[Any]", found: Header) -> BackgroundImage:
    """Keep what was found good. Raises PhotoError `storage_full`, `storage_unavailable`."""
    storage.check_door(file.size)
    [stored] = arriving.take([storage.new_background_key(owner.pk, found.format)], [file])
    about = {"name": clean(file.name or ""), "key": stored.key, "bytes": stored.bytes, **vars(found)}
    kept, is_new = BackgroundImage.objects.get_or_create(owner=owner, sha256=stored.sha256, defaults=about)
    if not is_new:
        storage.delete([stored.key])
    return kept


def value_of(image: BackgroundImage) -> str:
    """What a recipe calls it."""
    return IMAGE + image.sha256


def check(person_id: int, recipe: Recipe) -> None:
    """Raises PhotoError `background_missing` where the recipe names an image that this person may not use."""
    _find(person_id, recipe)


def read(person_id: int, recipe: Recipe) -> bytes | None:
    """The file of the recipe's background, if it is an image. Raises PhotoError `background_missing`."""
    image = _find(person_id, recipe)
    if image is None:
        return None
    try:
        return storage.read(image.key)
    except PhotoError as error:
        raise (PhotoError("background_missing") if error.code == "original_missing" else error) from None


def delete(image: BackgroundImage) -> None:
    """First the row, then the file. Photos that still wait for it will fail with `background_missing`."""
    image.delete()
    storage.delete([image.key])


def _find(person_id: int, recipe: Recipe) -> BackgroundImage | None:
    if recipe.background_image is None:
        return None
    found = access.backgrounds(person_id).filter(sha256=recipe.background_image).first()
    if found is None:
        raise PhotoError("background_missing")
    return found
