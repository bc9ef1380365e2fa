"""Judges a picture by its header alone: what it is and how large, before any pixel is read.

What a file is, its content decides, never its name or the type that somebody declared.
"""

import codecs
import math
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, cast

import pi_heif
from PIL import Image, TiffImagePlugin, TiffTags, UnidentifiedImageError

from processing.errors import PhotoError

FORMATS = ("jpeg", "png", "webp", "bmp", "gif", "tiff", "avif", "heic")
FIRST_BYTES = 1024  # as many as `sniff` wants to see
MOST_PIXELS = 50_000_000
SECONDS, WHOLE = 2.0, 30.0  # of the processor, that reading a header may take, and reading all
MOST_SCANS = 100  # of a JPEG: a progressive one has about ten, and each, be it empty, goes over all pixels
MOST_NUMBERS = 200_000  # bytes of them in tags: a photo of strips of one row has a third

_PILLOW_NAMES = {"MPO": "jpeg", "HEIF": "heic"}  # phones call a JPEG with a second picture inside MPO
_ALLOWED = ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF"]

_TEXTS = (TiffTags.BYTE, TiffTags.ASCII, TiffTags.UNDEFINED)  # kept as they are
_PLACES = (TiffImagePlugin.STRIPOFFSETS, TiffImagePlugin.TILEOFFSETS)

pi_heif.register_heif_opener()
Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # behind our own check, for frames that are larger than their header says
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # odd tags of a file that reads well


@dataclass(frozen=True)
class Limits:
    """What may come in: `max_bytes` of the file, sides in px, pixels in all."""

    max_bytes: int
    min_side: int
    max_side: int
    max_pixels: int = MOST_PIXELS


@dataclass(frozen=True)
class Header:
    """What a file says of itself: one of FORMATS, and its stored size in px (not yet turned upright)."""

    format: str
    width: int
    height: int


def judge(file: BinaryIO, size: int, limits: Limits) -> Header:
    """Read the header of `file`, which has `size` bytes, and leave it at its beginning.

    Raises PhotoError `failed_to_read_image`, `invalid_file_type`, `file_too_large`, `resolution_too_high` or
    `image_too_small`.
    """
    found = describe(opened(file, size, limits))
    file.seek(0)
    return found


def opened(file: BinaryIO, size: int, limits: Limits, *, whole: bool = False) -> Image.Image:
    """The judged picture, its pixels not yet read; `whole` says that they will be. Raises as `judge` does."""
    _check_bytes(size, limits)
    file.seek(0)
    start = file.read(FIRST_BYTES)
    file.seek(0)
    with reading():
        if sniff(start) == "heic":
            _check_items(file)
        try:
            image = Image.open(cast(IO[bytes], Watched(file, WHOLE if whole else SECONDS)), formats=_ALLOWED)
        except UnidentifiedImageError:
            if is_photo(start):
                raise
            raise PhotoError("invalid_file_type", format=_label(sniff(start))) from None
    _check_sides(image.width, image.height, limits)
    if describe(image).format == "jpeg":
        _check_scans(file)
    return image


class Watched:
    """A file that ends its reader when that takes too long: a comment or a profile may come in a million pieces."""

    def __init__(self, file: BinaryIO, seconds: float) -> None:
        self._file, self._end = file, time.thread_time() + seconds

    def read(self, size: int = -1) -> bytes:
        if time.thread_time() > self._end:
            raise PhotoError("failed_to_read_image", reason="it takes too long")
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class Directory(TiffImagePlugin.ImageFileDirectory_v2):
    """The tags of a TIFF or of EXIF, without those of numbers beyond measure.

    Pillow makes a fraction or a tile of each number: gigabytes within a minute, of 10 MB.
    """

    def load(self, fp: IO[bytes]) -> None:
        super().load(fp)
        room = MOST_NUMBERS
        for tag, data in list(self._tagdata.items()):
            if self.tagtype[tag] in _TEXTS and tag not in _PLACES:
                continue
            if len(data) > room:
                del self._tagdata[tag]
            else:
                room -= len(data)


TiffImagePlugin.ImageFileDirectory_v2 = Directory  # type: ignore[misc]


def describe(image: Image.Image) -> Header:
    name = image.format or ""
    return Header(_PILLOW_NAMES.get(name, name.lower()), image.width, image.height)


@contextmanager
def reading() -> Iterator[None]:
    """Turn whatever Pillow raises about a file (at open, at load, in getexif) into PhotoError. MemoryError passes."""
    try:
        yield
    except (PhotoError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels = re.search(r"\d+", str(error))
        size = _megapixels(int(pixels[0])) if pixels else "larger"
        raise PhotoError("resolution_too_high", limit=_megapixels(MOST_PIXELS), size=size) from None
    except Exception as error:  # decoders meet a hostile file with every exception that there is
        if "out of memory" in str(error):
            raise MemoryError from error
        reason = "it is cut short" if "truncated" in str(error).lower() else "it is damaged"
        raise PhotoError("failed_to_read_image", reason=reason) from error


def _check_bytes(size: int, limits: Limits) -> None:
    if size == 0:
        raise PhotoError("failed_to_read_image", reason="it is empty")
    if size > limits.max_bytes:
        raise PhotoError("file_too_large", size=_megabytes(size), limit=_megabytes(limits.max_bytes))


def _check_sides(width: int, height: int, limits: Limits) -> None:
    size = f"{width}x{height}"
    if max(width, height) > limits.max_side:
        raise PhotoError("resolution_too_high", limit=f"{limits.max_side}x{limits.max_side}", size=size)
    if width * height > limits.max_pixels:
        raise PhotoError("resolution_too_high", limit=_megapixels(limits.max_pixels), size=size)
    if min(width, height) < limits.min_side:
        raise PhotoError("image_too_small", limit=f"{limits.min_side}x{limits.min_side}", size=size)


_SCAN, _END = b"\xda", b"\xd9"
_MARKER = re.compile(rb"\xff([^\0\1\xd0-\xd7\xff])", re.DOTALL)  # their length follows, but for _END


def _check_scans(file: BinaryIO) -> None:
    here = file.tell()
    file.seek(0)
    jpeg = file.read()
    file.seek(here)
    if jpeg.count(b"\xff" + _SCAN) <= MOST_SCANS:
        return
    at, scans = 2, 0  # what looks like a scan may lie in a thumbnail, or in a video behind the photo
    while (found := _MARKER.search(jpeg, at)) and found[1] != _END:
        scans += found[1] == _SCAN
        at = found.end() + int.from_bytes(jpeg[found.end() : found.end() + 2])
        if scans > MOST_SCANS:
            raise PhotoError("failed_to_read_image", reason="it has scans without end")


def _check_items(file: BinaryIO) -> None:
    """Kinds and names of what is in a HEIC are text: pi-heif ends its process where one is not. Raises UnicodeError."""
    heic = file.read()
    file.seek(0)
    for box in re.finditer(b"infe", heic):  # ISO/IEC 14496-12, 8.11.6
        size, start = int.from_bytes(heic[box.start() - 4 : box.start()]), box.end()
        start += 8 if size == 1 else 0  # the size follows
        end = box.start() - 4 + (size if size > 1 else int.from_bytes(heic[box.end() : start]) or len(heic))
        heic[start + (8 if heic[start : start + 1] < b"\3" else 10) : end].decode()


def _megabytes(size: int) -> str:
    """Rounded up, so that what is too large never reads as equal to the limit."""
    return f"{math.ceil(size / 100_000) / 10:g}MB"


def _megapixels(pixels: int) -> str:
    return f"{math.ceil(pixels / 1_000_000)} megapixels"


# ---- by the first bytes --------------------------------------------------------------------------------------------
_SIGNATURES = {
    name: re.compile(pattern, re.DOTALL)
    for name, pattern in {
        "jpeg": rb"\xff\xd8\xff",
        "png": rb"\x89PNG\r\n\x1a\n",
        "webp": rb"RIFF.{4}WEBP",
        "bmp": rb"BM.{4}\0{4}",
        "gif": rb"GIF8[79]a",
        "tiff": rb"II[*+]\0|MM\0[*+]",
        "avif": rb".{4}ftypavi[fs]",
        "heic": rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)",
        "video": rb".{4}ftyp|\x1aE\xdf\xa3|RIFF.{4}AVI ",
        "pdf": rb"%PDF-",
        "eps": rb"%!PS|\xc5\xd0\xd3\xc6",
        "psd": rb"8BPS",
        "ico": rb"\0\0[\1\2]\0",
        "jpeg2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
        "jxl": rb"\xff\x0a|\0\0\0\x0cJXL ",
        "zip": rb"PK(\x03\x04|\x05\x06)",
        "rar": rb"Rar!",
        "7z": rb"7z\xbc\xaf\x27\x1c",
        "gzip": rb"\x1f\x8b",
        "html": rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype )?html",
        "svg": rb"(\xef\xbb\xbf)?\s*<(.*<)?svg[\s>]",
        "text": rb"[^\0-\x08\x0e-\x1a\x1c-\x1f\x7f]+\Z",
    }.items()
}


def sniff(first_bytes: bytes) -> str:
    """The format of a file by its first bytes (FIRST_BYTES of them): "jpeg", "zip", "svg", …; "" when unknown."""
    start = first_bytes[:FIRST_BYTES]
    found = next((name for name, pattern in _SIGNATURES.items() if pattern.match(start)), "")
    return "" if found == "text" and not _is_utf8(start) else found


def is_photo(first_bytes: bytes) -> bool:
    """Whether the first bytes are those of a format that we read."""
    return sniff(first_bytes) in FORMATS


def _is_utf8(start: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)  # the cut may have split the last letter
    except UnicodeDecodeError:
        return False
    return True


def _label(name: str) -> str:
    return name if name in ("text", "video") else name.upper() or "unknown"
