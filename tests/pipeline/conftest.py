"""Pictures to work on."""

import io

import pytest
from PIL import Image

from processing.header import Limits

LIMITS = Limits(max_bytes=10_000_000, min_side=50, max_side=4096)


def file(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def corners() -> Image.Image:
    """Each corner has a colour of its own, so that every turn shows."""
    image = Image.new("RGB", (120, 80), "white")
    for colour, place in {"red": (0, 0), "lime": (60, 0), "blue": (0, 40), "black": (60, 40)}.items():
        image.paste(colour, (*place, place[0] + 60, place[1] + 40))
    return image


@pytest.fixture(scope="session")
def astronaut() -> Image.Image:
    """A woman with one face, 512x512 (NASA, public domain; comes with scikit-image)."""
    from skimage import data

    return Image.fromarray(data.astronaut())


@pytest.fixture(scope="session")
def cat() -> Image.Image:
    """No human face, 451x300 (CC0; comes with scikit-image)."""
    from skimage import data

    return Image.fromarray(data.chelsea())
