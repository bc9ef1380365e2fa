"""The whole way of one photo: read, take each step that the recipe asks for, write, make the extra sizes."""

import gc
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import cv2
import psutil

from processing import accelerator
from processing.errors import PhotoError
from processing.header import Limits
from processing.pipeline import background, face, frame, refine
from processing.pipeline.decode import decode
from processing.pipeline.encode import encode, format_of, on_white
from processing.pipeline.metadata import exif_of
from processing.pipeline.preview import variants_of
from processing.pipeline.scale import scaled
from processing.pipeline.step import Made, Picture
from processing.recipe import Recipe, numbered

__all__ = ["STEPS", "Made", "OnStep", "Outcome", "run", "use_threads", "warm"]

STEPS = (
    background.STEP,
    refine.STEP,
    face.STEP,
    frame.STEP,
)

# How libraries say it that raise no MemoryError: OpenCV, libavif, and libwebp by a number.
NO_MEMORY = re.compile(r"(insufficient|out of) memory|^encoding error [12]\b", re.IGNORECASE)

OnStep = Callable[[str, int, int], None]


def use_threads(count: int) -> None:
    """So many in this process from now on: of OpenCV and AVIF at once, of a model where its session is made later."""
    os.environ["OMP_NUM_THREADS"] = str(count)  # rembg and `encode` heed it, OpenCV does not
    cv2.setNumThreads(count)


def warm(model: str) -> None:
    """Make the session of a model in a process with one thread, for the children that it forks: they share the weights.
    What cannot be made is told, and left to them."""
    with suppress(PhotoError):
        if accelerator.chosen(model).forks:
            background.session(model)
    gc.freeze()  # or their collectors would write into what they share


if "OMP_NUM_THREADS" in os.environ:
    use_threads(int(os.environ["OMP_NUM_THREADS"]))


@dataclass(frozen=True)
class Outcome:
    """The files made, `result` first, and JSON-able facts: sizes, formats, model, faces, seconds per step, memory."""

    files: tuple[Made, ...]
    facts: dict[str, Any]


def run(
    source: bytes, recipe: Recipe, on_step: OnStep = lambda label, done, total: None, *,
    limits: Limits, ground: bytes | None = None,
) -> Outcome:  # fmt: skip
    """Make a photo's files. `on_step(label, number_done, total)` is called before each step that applies.

    The files: `result` (where a photo becomes several: `result`, `result-2`, …), then the recipe's variants. `ground`
    is the file of an uploaded background. Raises PhotoError, and whatever `on_step` raises.
    """
    try:
        return _run(source, recipe, on_step, limits, ground)
    except Exception as error:
        if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
            raise PhotoError("out_of_memory") from error
        raise


def _run(source: bytes, recipe: Recipe, on_step: OnStep, limits: Limits, ground: bytes | None) -> Outcome:
    steps = [step for step in STEPS if step.wanted(recipe)]
    stages = _Stages(on_step, total=len(steps) + 2 + bool(recipe.variants))
    with stages.stage("read", "Reading"):
        pictures = [_read(source, recipe, limits, ground)]
    for step in steps:
        with stages.stage(step.name, step.label):
            pictures = [made for picture in pictures for made in step.do(picture, recipe)]
    format = format_of(pictures[0].image, recipe)
    with stages.stage("write", f"Writing {'JPEG' if format == 'jpg' else format.upper()}"):
        files = [encode(one, numbered("result", n), recipe) for n, one in enumerate(pictures, 1)]
        written = {name: fact for one in reversed(files) for name, fact in one.facts.items()}  # the first's count most
    if recipe.variants:
        with stages.stage("variants", "Making extra sizes"):
            for number, (picture, result) in enumerate(zip(pictures, tuple(files), strict=True), 1):
                files += _variants(picture, result, recipe, number)
    facts = pictures[0].facts | written | _size("result", files[0]) | {"result_bytes": len(files[0].data)}
    return Outcome(tuple(files), facts | {"timings": stages.seconds, "memory_mb": round(stages.memory / 1e6)})


def _read(source: bytes, recipe: Recipe, limits: Limits, ground: bytes | None) -> Picture:
    photo = decode(source, limits)
    return Picture(
        photo.image, photo.image, {**_size("source", photo.header), "source_bytes": len(source), **photo.facts},
        scene=photo.image if recipe.background == "blur" else None,
        ground=on_white(decode(ground, limits).image) if ground else None,
        credit=photo.credit if recipe.metadata == "keep-copyright" else {},
    )  # fmt: skip


def _variants(picture: Picture, result: Made, recipe: Recipe, number: int) -> list[Made]:
    """The extra sizes of one result as it was written; with the first, those of the original."""
    image = on_white(picture.image) if result.format == "jpg" else picture.image
    sizes = {numbered(name, number): size for name, size in recipe.extra_sizes.items()}
    made = variants_of(image, sizes, exif=exif_of(picture.credit, recipe.dpi) if picture.credit else b"", resize=scaled)
    if number == 1 and "preview" in recipe.extra_sizes:
        made += variants_of(picture.original, {"source-preview": recipe.extra_sizes["preview"]}, resize=scaled)
    return made


def _size(of: str, what: Any) -> dict[str, Any]:
    return {f"{of}_format": what.format, f"{of}_width": what.width, f"{of}_height": what.height}


@dataclass
class _Stages:
    """Announces each stage, keeps its seconds, and the most memory (bytes) that this process had after one."""

    on_step: OnStep
    total: int
    seconds: dict[str, float] = field(default_factory=dict)
    memory: int = 0

    @contextmanager
    def stage(self, name: str, label: str) -> Iterator[None]:
        self.on_step(label, len(self.seconds), self.total)
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 4)
        self.memory = max(self.memory, psutil.Process().memory_info().rss)
