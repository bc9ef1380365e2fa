"""The whole way of one photo: read, take each step that the recipe asks for, write, make previews."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from processing.errors import PhotoError
from processing.header import Limits
from processing.pipeline import background, face
from processing.pipeline.decode import decode
from processing.pipeline.encode import Made, encode, format_of, on_white
from processing.pipeline.preview import PREVIEW, THUMBNAIL, reduced, small
from processing.pipeline.step import Picture
from processing.recipe import Recipe

__all__ = ["STEPS", "Made", "OnStep", "Outcome", "run"]

STEPS = (
    background.STEP,
    face.STEP,
)

OnStep = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Outcome:
    """The files made, `result` first, and JSON-able facts: sizes, formats, model, faces, seconds per step."""

    files: tuple[Made, ...]
    facts: dict[str, Any]


def run(
    source: bytes, recipe: Recipe, on_step: OnStep = lambda label, done, total: None, *,
    limits: Limits, variants: bool = True,
) -> Outcome:  # fmt: skip
    """Make a photo's files. `on_step(label, number_done, total)` is called before each step that applies.

    The files: `result`, and with `variants` also `thumbnail`, `preview` and `source-preview` (WEBP).
    Raises PhotoError, and whatever `on_step` raises.
    """
    try:
        return _run(source, recipe, on_step, limits, variants)
    except MemoryError:
        raise PhotoError("out_of_memory") from None


def _run(source: bytes, recipe: Recipe, on_step: OnStep, limits: Limits, variants: bool) -> Outcome:
    steps = [step for step in STEPS if step.wanted(recipe)]
    stages = _Stages(on_step, total=len(steps) + 2 + variants)
    with stages.stage("read", "Reading"):
        picture = _read(source, limits)
    for step in steps:
        with stages.stage(step.name, step.label):
            picture = step.do(picture, recipe)
    format = format_of(picture.image, recipe)
    with stages.stage("write", f"Writing {'JPEG' if format == 'jpg' else format.upper()}"):
        files = [encode(picture.image, "result", format, recipe.quality)]
    if variants:
        with stages.stage("previews", "Making previews"):
            files += _previews(on_white(picture.image) if format == "jpg" else picture.image, picture.original)
    return Outcome(tuple(files), picture.facts | _size("result", files[0]) | {"timings": stages.seconds})


def _read(source: bytes, limits: Limits) -> Picture:
    header, image = decode(source, limits)
    return Picture(image, image, {**_size("source", header), "source_bytes": len(source)})


def _previews(image: Image.Image, original: Image.Image) -> list[Made]:
    """Small pictures of the result as it was written, and of the original."""
    result = reduced(image, PREVIEW)
    return [
        small(result, "thumbnail", THUMBNAIL),
        small(result, "preview", PREVIEW),
        small(original, "source-preview", PREVIEW),
    ]


def _size(of: str, what: Any) -> dict[str, Any]:
    return {f"{of}_format": what.format, f"{of}_width": what.width, f"{of}_height": what.height}


@dataclass
class _Stages:
    """Announces each stage and keeps its seconds."""

    on_step: OnStep
    total: int
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, label: str) -> Iterator[None]:
        self.on_step(label, len(self.seconds), self.total)
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 4)
