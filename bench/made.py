"""The photos that are measured with: pictures that a library carries, or those of a folder, at three sizes."""

import io
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path

from PIL import Image, ImageOps

SIZES = {"1.5": (1500, 1000), "3": (2100, 1430), "12": (4000, 3000)}  # megapixels: px
BUNDLED = ("coffee.png", "astronaut.png", "chelsea.png")
MIXED = ("1.5", "3", "1.5", "1.5", "3", "12")  # what a house is sent: half, a third, a sixth


def sources(folder: Path | None) -> list[Path]:
    """The pictures that photos are made from: those of the folder, else scikit-image's."""
    if folder:
        return sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".jpeg"))
    spec = find_spec("skimage")  # found, not imported
    assert spec
    assert spec.origin
    return [Path(spec.origin).parent / "data" / name for name in BUNDLED]


def photo(source: Path, width: int, height: int, quality: int = 90) -> bytes:
    """A JPEG of that size, cut to its shape."""
    image = ImageOps.fit(Image.open(source).convert("RGB"), (width, height))
    to = io.BytesIO()
    image.save(to, "JPEG", quality=quality)
    return to.getvalue()


def marked(data: bytes, number: int) -> bytes:
    """The same JPEG as another file: with a comment. (A house may know a file again, and not work on it anew.)"""
    return data[:2] + b"\xff\xfe\x00\x0a%08d" % number + data[2:]


def mixed(folder: Path | None, count: int) -> Iterator[tuple[str, bytes]]:
    """So many photos of all sizes, as (name, data)."""
    of_size = {size: cycle([photo(path, *box) for path in sources(folder)]) for size, box in SIZES.items()}
    for number, size in zip(range(count), cycle(MIXED), strict=False):
        yield f"photo-{number}.jpg", next(of_size[size])
