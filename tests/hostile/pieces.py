"""The formats' own pieces, put together by hand, so that each can say whatever it is told to say."""

import io
import struct
import zlib
from collections.abc import Mapping, Sequence

from PIL import Image

from tests.pictures import picture

SIZE = (64, 56)  # px of the valid ones


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def changed(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def chunk(name: bytes, data: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(*chunks: bytes, size: tuple[int, int] = SIZE, bits: int = 8, colour: int = 2) -> bytes:
    """A PNG of these chunks after its header."""
    header = struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def segment(number: int, data: bytes) -> bytes:
    """Of a JPEG: the application's own of this number."""
    return bytes([0xFF, 0xE0 + number]) + struct.pack(">H", len(data) + 2) + data


def jpeg(*segments: bytes) -> bytes:
    """A JPEG with these segments before its own."""
    whole = picture(*SIZE)
    return whole[:2] + b"".join(segments) + whole[2:]


def gif(*blocks: bytes, size: tuple[int, int] = SIZE) -> bytes:
    """A GIF with these blocks before its picture, whose screen has this size."""
    whole = changed(picture(*SIZE, "GIF"), 6, struct.pack("<HH", *size))
    start = 13 + (3 << (whole[10] & 7) + 1)  # after the colours
    return whole[:start] + b"".join(blocks) + whole[start:]


BYTE, SHORT, LONG, RATIONAL, FLOAT = (1, "B"), (3, "H"), (4, "I"), (5, "I"), (11, "f")
UNITS = {BYTE: 1, SHORT: 1, LONG: 1, RATIONAL: 2, FLOAT: 1}  # numbers that make one value
WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
OFFSETS, SAMPLES, ROWS, COUNTS, X_RESOLUTION, Y_RESOLUTION = 273, 277, 278, 279, 282, 283

Kind = tuple[int, str]
Tags = Mapping[int, tuple[Kind, Sequence[float] | bytes]]  # the numbers, or how they are kept


def tiff(tags: Tags, pixels: bytes = b"") -> bytes:
    """A TIFF (or an EXIF block) of these tags, its pixels at byte 8."""
    entries, values, start = b"", b"", 8 + len(pixels)
    beyond = start + 2 + 12 * len(tags) + 4
    for tag, (kind, numbers) in sorted(tags.items()):
        data = numbers if isinstance(numbers, bytes) else struct.pack(f"<{len(numbers)}{kind[1]}", *numbers)
        place = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack("<I", beyond + len(values))
        values += b"" if len(data) <= 4 else data
        entries += struct.pack("<HHI", tag, kind[0], len(data) // struct.calcsize(kind[1]) // UNITS[kind]) + place
    return b"II*\0" + struct.pack("<I", start) + pixels + struct.pack("<H", len(tags)) + entries + bytes(4) + values


def grey_tiff(more: Tags, size: tuple[int, int] = SIZE) -> bytes:
    """A grey TIFF in one strip, with these tags more or instead."""
    width, length = size
    tags: Tags = {
        WIDTH: (LONG, [width]), LENGTH: (LONG, [length]), BITS: (SHORT, [8]), COMPRESSION: (SHORT, [1]),
        PHOTOMETRIC: (SHORT, [1]), OFFSETS: (LONG, [8]), SAMPLES: (SHORT, [1]), ROWS: (LONG, [length]),
        COUNTS: (LONG, [width * length]),
    }  # fmt: skip
    return tiff({**tags, **more}, b"\x80" * (SIZE[0] * SIZE[1]))


def scans(data: bytes, count: int) -> bytes:
    """A progressive JPEG (grey) whose last scan comes so many times more."""
    last, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:end] + data[last:end] * count + data[end:]
