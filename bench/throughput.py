"""P1, P2, P12: photos per second of a folder, by rembg's own command and through whole houses, in turn."""

import time
from contextlib import ExitStack

from bench import made, peer
from bench.figure import Asked, Figure, median
from bench.visitor import Visitor
from tests.environment import DATA

MODEL = "u2netp"
PHOTOS, TURNS = 24, 3
PLAIN = {"refine": "none", "variants": ""}  # and neither is the edges' colour cleaned: a box without its tick
DEFAULT = {"decontaminate": "on"}  # and all else as it is where nothing is said
AGAINST = "rembg p"


def measured(asked: Asked) -> list[Figure]:
    photos = dict(made.mixed(asked.photos, 6 if asked.quick else PHOTOS))
    folder = DATA / "folder"
    folder.mkdir()
    for name, data in photos.items():
        (folder / name).write_bytes(data)
    peer.make()
    with ExitStack() as stack:
        fast = stack.enter_context(Visitor.of_a_house("accelerated"))
        fast.warm(photos)
        plain = stack.enter_context(Visitor.of_a_house("processor", PHOTO_ACCELERATOR="processor"))
        plain.warm(photos)
        turns = [
            (peer.rate(folder, MODEL), *(_rate(*of) for of in (
                (fast, photos, PLAIN), (plain, photos, PLAIN), (fast, photos, DEFAULT)
            )))
            for _ in range(1 if asked.quick else TURNS)
        ]  # fmt: skip
    theirs, accelerated, processor, default = median(turns)
    unit = "photos/s"
    return [
        Figure("P1", "rembg's work, through the product", accelerated, unit, theirs, AGAINST, 6, more_is_better=True),
        Figure("P2", "the same on the processor alone", processor, unit, theirs, AGAINST, 2.5, more_is_better=True),
        Figure("P12", "the default recipe", default, unit, theirs, AGAINST, 3, more_is_better=True),
    ]


def _rate(visitor: Visitor, photos: dict[str, bytes], recipe: dict[str, str]) -> float:
    """From the first byte sent until the last result is stored."""
    form = visitor.form(photos, recipe)
    began = time.perf_counter()
    visitor.send(form)
    visitor.wait()
    return len(photos) / (time.perf_counter() - began)
