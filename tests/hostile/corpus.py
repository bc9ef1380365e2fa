"""Files that nobody should send: made here, a few bytes of each format put where they hurt."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.hostile.pieces import (
    BYTE,
    FLOAT,
    LONG,
    OFFSETS,
    PHOTOMETRIC,
    RATIONAL,
    ROWS,
    SHORT,
    SIZE,
    X_RESOLUTION,
    Y_RESOLUTION,
    Tags,
    changed,
    chunk,
    gif,
    grey_tiff,
    jpeg,
    png,
    saved,
    scans,
    segment,
    tiff,
)  # fmt: skip
from tests.intake.packing import packed
from tests.pictures import picture


def valid() -> dict[str, bytes]:
    """A small photo in each format that the product takes."""
    named = ("jpeg", "png", "webp", "bmp", "gif", "tiff", "avif")
    photos = {name: picture(*SIZE, name.upper()) for name in named}
    # No encoder is there for HEIC: it has 64 x 96 px when it is upright.
    return photos | {"heic": (Path(__file__).parent.parent / "pipeline" / "turned.heic").read_bytes()}


# ---- what promises a giant -------------------------------------------------------------------------------------------

GIANT = (30_000, 30_000)


def giants() -> dict[str, bytes]:
    """Small files of each format that say of themselves that they are of 900 megapixels."""
    whole = valid()
    wide, high = (struct.pack(">I", side) for side in (16_000, 16_000))  # libavif knows nothing larger
    frame = whole["jpeg"].index(b"\xff\xc0") + 5
    return {
        "jpeg": changed(whole["jpeg"], frame, struct.pack(">HH", *GIANT)),
        "png": png(chunk(b"IDAT", zlib.compress(bytes(1000))), size=GIANT),
        "png of 1 bit": png(chunk(b"IDAT", zlib.compress(bytes(1000))), size=GIANT, bits=1, colour=0),
        "gif": gif(size=GIANT),
        "gif whose frame is larger than its screen": whole["gif"].replace(
            b"," + bytes(4) + struct.pack("<HH", *SIZE), b"," + bytes(4) + struct.pack("<HH", *GIANT)
        ),
        "webp": canvas(*GIANT),
        "tiff": grey_tiff({}, GIANT),
        "bmp": changed(whole["bmp"], 18, struct.pack("<ii", *GIANT)),
        "avif": changed(whole["avif"], whole["avif"].index(b"ispe") + 8, wide + high),
        "heic": changed(whole["heic"], whole["heic"].index(b"ispe") + 8, wide + high),
    }


def canvas(width: int, height: int) -> bytes:
    """A WEBP of two small frames that says that they lie on such a canvas."""
    frames = [Image.new("RGB", SIZE, colour) for colour in ("teal", "gold")]
    small = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    return changed(small, 24, struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3])


# ---- what keeps a reader busy ----------------------------------------------------------------------------------------


def in_pieces(size: int) -> bytes:
    """A JPEG whose EXIF comes in the smallest pieces, after half of it in large ones."""
    large = segment(1, b"Exif\0\0" + bytes(65_000))
    return jpeg(large * (size // 2 // len(large)), segment(1, b"Exif\0\0x") * (size // 2 // 11))


def over_and_over(size: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again, each a few bytes for all pixels."""
    whole = saved(Image.new("L", (4096, 4096)), "JPEG", progressive=True)
    last = len(scans(whole, 1)) - len(whole)
    return scans(whole, (size - len(whole)) // last)


def profile() -> bytes:
    return chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(1_000_000), 9))


def unpacking() -> bytes:
    return chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000), 9)) * 200


def runs(size: int) -> bytes:
    """A BMP of 4096 x 4096 px whose every pixel is a run of its own."""
    body = b"\1\7" * (size // 2)
    head = struct.pack("<IiiHHIIiiII", 40, 4096, 4096, 1, 8, 1, len(body), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 1024 + len(body), 0, 0, 54 + 1024) + head + bytes(1024) + body


def shared(size: int) -> bytes:
    """A TIFF in which thousands of tags say that all the file is their content."""
    count = min(size // 24, 20_000)
    entries = b"".join(struct.pack("<HHII", 1000 + tag, 7, size // 2, 8) for tag in range(count))
    return (
        b"II*\0" + struct.pack("<I", 8 + size // 2) + bytes(size // 2) + struct.pack("<H", count) + entries + bytes(4)
    )


# Of about so many bytes. A reader finds ever more to do in them:
BUSY: dict[str, Callable[[int], bytes]] = {
    "jpeg: metadata in the smallest pieces": in_pieces,
    "jpeg: segments without content": lambda size: jpeg(segment(15, b"") * (size // 4)),
    "jpeg: a scan over and over": over_and_over,
    "png: chunks without content": lambda size: png(chunk(b"abCd", b"") * (size // 12)),
    "png: profiles that unpack to a megabyte": lambda size: png(profile() * (size // len(profile()))),
    "png: pixels in the smallest pieces": lambda size: png(chunk(b"IDAT", b"") * (size // 12)),
    "gif: a comment in the smallest pieces": lambda size: gif(b"\x21\xfe" + b"\1a" * (size // 2) + b"\0"),
    "bmp: runs of one pixel": runs,
}
# These make more of themselves in a reader's memory.
SWOLLEN: dict[str, Callable[[int], bytes]] = {
    "tiff: a strip for each byte": lambda size: grey_tiff({OFFSETS: (BYTE, b"\x08" * size), ROWS: (LONG, [1])}),
    "tiff: a resolution of a million numbers": lambda size: grey_tiff(
        {X_RESOLUTION: (RATIONAL, b"\1\0\0\0" * (size // 4))}
    ),
    "tiff: tags that share their bytes": shared,
    "png: text that unpacks to megabytes": lambda size: png(unpacking(), *pixels()),
    "webp: a canvas of 98 megapixels": lambda size: canvas(9_900, 9_900),
}


# ---- what is two things at once, or odd ------------------------------------------------------------------------------

SCRIPT = b"<script>alert(1)</script>"
PHP = b"<?php echo 1; ?>"


def polyglots() -> dict[str, tuple[bytes, str]]:
    """Files that are two things at once, and what comes of each: a format, or the code that refuses it."""
    whole, archive = valid(), packed({"a.jpg": picture()})
    return {
        "jpeg and ZIP": (whole["jpeg"] + archive, "jpeg"),
        "png and HTML": (whole["png"] + b"<html>" + SCRIPT, "png"),
        "gif and script": (gif(b"\x21\xfe" + bytes([len(SCRIPT)]) + SCRIPT + b"\0"), "gif"),
        "jpeg and PHP": (jpeg(segment(13, PHP), b"\xff\xfe\0\x12" + PHP), "jpeg"),
        "jpeg and PDF": (jpeg(b"\xff\xfe\0\x10%PDF-1.7\n1 0 ob"), "jpeg"),
        "png with a script in its text": (png(chunk(b"tEXt", b"Comment\0" + SCRIPT), *pixels()), "png"),
        "tiff with another picture behind it": (whole["tiff"] + whole["png"], "tiff"),
        "PDF and jpeg": (b"%PDF-1.7\n" + whole["jpeg"], "invalid_file_type"),
        "HTML and jpeg": (b"<html><!--" + whole["jpeg"], "invalid_file_type"),
        "SVG that says gif": (b"<svg xmlns='http://www.w3.org/2000/svg'/>GIF89a", "invalid_file_type"),
        "ZIP and jpeg": (archive + whole["jpeg"], "invalid_file_type"),
        "video that says heic": (b"\0\0\0\x18ftypisom\0\0\2\0heicmif1" + bytes(99), "invalid_file_type"),
        "script that says gif": (b"GIF89a=1/*" + SCRIPT + b"*/;", "failed_to_read_image"),
        "script that says bmp": (b"BM=1;/*" + SCRIPT + b"*/", "failed_to_read_image"),
    }


def pixels() -> list[bytes]:
    """The chunk of a PNG's pixels, all of one colour."""
    return [chunk(b"IDAT", zlib.compress((b"\0" + b"\x40\x80\xc0" * SIZE[0]) * SIZE[1]))]


NAN, ENDLESS = float("nan"), float("inf")
TURN, ARTIST = 0x0112, 0x013B


def odd() -> dict[str, bytes]:
    """Good pixels in files that say strange things of them."""
    turns = {f"jpeg: orientation {turn}": exif({TURN: (SHORT, [turn])}) for turn in (0, 9, 65_535)}
    return turns | {
        "jpeg: 65,535 bytes of EXIF": jpeg(segment(1, b"Exif\0\0" + tiff({ARTIST: (BYTE, [65] * 65_501)}))),
        "jpeg: orientation without a number": exif({TURN: (RATIONAL, [0, 0])}),
        "jpeg: orientations by the thousand": exif({TURN: (SHORT, [1] * 30_000)}),
        "jpeg: a resolution that is no number": exif({X_RESOLUTION: (FLOAT, [NAN])}),
        "jpeg: a resolution of nothing for nothing": exif({X_RESOLUTION: (RATIONAL, [0, 0])}),
        "tiff: a resolution that is no number": grey_tiff({X_RESOLUTION: (FLOAT, [NAN]), Y_RESOLUTION: (FLOAT, [NAN])}),
        "tiff: a resolution without end": grey_tiff(
            {X_RESOLUTION: (FLOAT, [ENDLESS]), Y_RESOLUTION: (FLOAT, [ENDLESS])}
        ),
        "tiff: a resolution of nothing for nothing": grey_tiff(
            {X_RESOLUTION: (RATIONAL, [0, 0]), Y_RESOLUTION: (RATIONAL, [0, 0])}
        ),
        "png: a resolution of nothing": png(chunk(b"pHYs", bytes(9)), *pixels()),
        "gif: a palette without entries": without_colours(),
    }


def exif(tags: Tags) -> bytes:
    """A JPEG whose EXIF says this."""
    return jpeg(segment(1, b"Exif\0\0" + tiff(tags)))


def without_colours() -> bytes:
    """A GIF that has no table of colours at all, neither of its own nor of its frame."""
    whole = gif()
    return changed(whole[:13], 10, b"\0") + whole[13 + (3 << (whole[10] & 7) + 1) :]


def empty_palettes() -> dict[str, bytes]:
    """Pictures of palette colours with none, or fewer than their pixels name: shown somehow, or refused."""
    rows = [chunk(b"IDAT", zlib.compress((b"\0" + b"\x07" * SIZE[0]) * SIZE[1]))]
    bmp = saved(Image.new("P", SIZE, 7), "BMP")
    return {
        "png without a palette": png(*rows, colour=3),
        "png with a palette without entries": png(chunk(b"PLTE", b""), *rows, colour=3),
        "png with a palette of one": png(chunk(b"PLTE", b"\1\2\3"), *rows, colour=3),
        "bmp with a palette without entries": changed(bmp, 46, struct.pack("<I", 0)),
        "bmp with more colours than there are": changed(bmp, 46, struct.pack("<I", 2**31 - 1)),
        "tiff without a palette": grey_tiff({PHOTOMETRIC: (SHORT, [3])}),
        "gif without a palette": without_colours(),
    }
