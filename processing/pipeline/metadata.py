"""What a photo's metadata says of its author: all of it that may ever reach a result."""

import html
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from PIL import ExifTags, Image, ImageFile, IptcImagePlugin

from processing.errors import PhotoError
from processing.header import reading

LONGEST = 300  # characters of each that are kept
_SEEN = 4096  # characters that are looked at

_EXIF = {"artist": ExifTags.Base.Artist, "copyright": ExifTags.Base.Copyright}
_IPTC = {"artist": (2, 80), "copyright": (2, 116)}  # by-line and copyright notice
_XMP = {
    name: re.compile(rf"<dc:{element}>\s*<rdf:(?:Seq|Bag|Alt)>\s*<rdf:li[^<>]*>([^<>]+)</rdf:li>".encode())
    for name, element in {"artist": "creator", "copyright": "rights"}.items()
}
_INCH = 2


def credit_of(image: Image.Image) -> dict[str, str]:
    """`artist` and `copyright`, where an opened file names them: in its EXIF, else its IPTC, else its XMP."""
    places = (_in_exif, _in_iptc, _in_xmp)
    found = {name: next(filter(None, (_read(place, image, name) for place in places)), "") for name in _EXIF}
    return {name: text for name, text in found.items() if text}


def exif_of(credit: dict[str, str], dpi: int) -> bytes:
    """An EXIF block that names the credit and the resolution, and nothing else."""
    exif = Image.Exif()
    for name, text in credit.items():
        exif[_EXIF[name]] = text.encode()
    exif[ExifTags.Base.XResolution] = exif[ExifTags.Base.YResolution] = float(dpi)
    exif[ExifTags.Base.ResolutionUnit] = _INCH
    return exif.tobytes()


def cleaned(text: Any) -> str:
    """One short line of what somebody wrote into a file: text or bytes of any kind, even of no good will."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    seen = str(text or "")[:_SEEN]
    with suppress(UnicodeError):  # Pillow reads as Latin-1 what nearly everybody writes as UTF-8
        seen = seen.encode("latin-1").decode()
    printable = "".join(letter if letter.isprintable() else " " for letter in seen)
    return " ".join(printable.split())[:LONGEST].strip()


def _read(place: Callable[[Image.Image, str], Any], image: Image.Image, name: str) -> str:
    try:
        with reading():
            return cleaned(place(image, name))
    except PhotoError:  # broken metadata says nothing about good pixels
        return ""


def _in_exif(image: Image.Image, name: str) -> Any:
    return image.getexif().get(_EXIF[name])


def _in_iptc(image: Image.Image, name: str) -> Any:
    assert isinstance(image, ImageFile.ImageFile)
    value = (IptcImagePlugin.getiptcinfo(image) or {}).get(_IPTC[name])
    return b"; ".join(value) if isinstance(value, list) else value


def _in_xmp(image: Image.Image, name: str) -> str:
    packet = image.info.get("xmp") or b""
    found = _XMP[name].search(packet.encode() if isinstance(packet, str) else packet)
    return html.unescape(found[1].decode()) if found else ""
