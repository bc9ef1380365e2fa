"""Colour profiles as cameras, scanners and printers put them into files (ICC.1:2001-04, the second version)."""

import struct
from itertools import product
from math import prod

from PIL import Image, ImageCms

P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))  # XYZ at D50
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
WHITE = (0.9642, 1.0, 0.8249)
INKS = ((0, 158, 224), (230, 0, 126), (255, 237, 0), (40, 39, 37))  # cyan, magenta, yellow, black on white paper


def rgb(name: str, primaries: tuple[tuple[float, float, float], ...], gamma: float = 2.2) -> bytes:
    curve = _gamma(gamma)
    red, green, blue = map(_xyz, primaries)
    tags = {b"rXYZ": red, b"gXYZ": green, b"bXYZ": blue, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    return _profile(b"mntr", b"RGB ", b"XYZ ", name, tags)


def grey(name: str, gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", name, {b"kTRC": _gamma(gamma)})


def cmyk(name: str) -> bytes:
    """Four inks, each of which lets a part of the light through."""
    nodes = b"".join(
        _lab([ink for ink, full in zip(INKS, inked, strict=True) if full]) for inked in product((0, 1), repeat=4)
    )
    straight = bytes(range(256))
    unchanged = struct.pack(">9i", *(65536 if place % 4 == 0 else 0 for place in range(9)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + unchanged + straight * 4 + nodes + straight * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", name, {b"A2B0": table})


def _lab(inks: list[tuple[int, int, int]]) -> bytes:
    seen = tuple(round(255 * prod(ink[channel] / 255 for ink in inks)) for channel in range(3))
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    colour = ImageCms.profileToProfile(Image.new("RGB", (1, 1), seen), srgb, lab, outputMode="LAB")
    assert colour
    return bytes(colour.getpixel((0, 0)))


def _gamma(value: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IHxx", 1, round(value * 256))


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def _profile(kind: bytes, space: bytes, link: bytes, name: str, tags: dict[bytes, bytes]) -> bytes:
    text = name.encode("ascii") + b"\0"
    described = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    tags = {b"desc": described, b"wtpt": _xyz(WHITE), b"cprt": b"text" + bytes(4) + b"none\0", **tags}
    directory, content, start = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        directory += tag + struct.pack(">II", start + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    body = struct.pack(">I", len(tags)) + directory + content
    made = struct.pack(">6H", 2024, 1, 1, 0, 0, 0)
    head = struct.pack(">I4sI4s4s4s", 128 + len(body), b"lcms", 0x02400000, kind, space, link) + made + b"acsp"
    return head.ljust(68, b"\0") + struct.pack(">3i", *(round(value * 65536) for value in WHITE)) + bytes(48) + body
