"""Takes the background away: the model says how much each pixel belongs to the subject."""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime import SessionOptions
from PIL import Image, ImageChops, ImageStat
from rembg import new_session
from rembg.sessions.base import BaseSession

from processing import accelerator, catalogue
from processing.accelerator import Engine
from processing.errors import PhotoError
from processing.pipeline import review
from processing.pipeline.encode import over
from processing.pipeline.layout import Size, contained
from processing.pipeline.pixels import under
from processing.pipeline.scale import scaled
from processing.pipeline.step import Picture, Step
from processing.recipe import Recipe

log = logging.getLogger(__name__)

LEAST_CONFIDENCE = 0.65  # a real subject has 0.85 and more, noise and texture have 0.6 at most
PLAIN = 6  # levels: a picture of one colour, noise and all, differs by no more between its GRID x GRID averages
GRID = 16
LIGHT = 128  # of 255
NEAR = 2.0  # how much larger than what the network sees a photo may be before the first, quick reduction ends
LEAST_LEFT = 0.05  # of the subject, where the photo's own transparency took the rest

# One session per file and process, as loading costs more than using; and per threads, as it keeps those it began with.
_warm: dict[tuple[Path, str], BaseSession] = {}


class Heard:
    """The network of a session, and what it said last: the prediction before rembg stretches it to 0..1."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.said: NDArray[np.float32] = np.empty(0, np.float32)

    def get_inputs(self) -> Any:
        return self.network.get_inputs()

    def run(self, *args: Any) -> Any:
        outputs = self.network.run(*args)
        self.said = outputs[0]
        return outputs


def session(name: str) -> BaseSession:
    """The warm session of a model. Raises PhotoError `model_not_installed`, `model_failed`; never downloads."""
    key = (catalogue.require(name).path, os.environ.get("OMP_NUM_THREADS", ""))
    if key not in _warm:
        with _running(name):
            made = _made(name)
        made.inner_session = Heard(made.inner_session)
        _warm[key] = made
    return _warm[key]


def _made(name: str) -> BaseSession:
    """On what suits it best here; on the processor alone where that fails, as for want of its libraries."""
    engine = accelerator.chosen(name)
    try:
        return made(name, engine)
    except Exception:
        if engine == accelerator.PROCESSOR:
            raise
        log.exception("the model %s cannot be run on %s, and so on the processor", name, engine.label)
        return made(name, accelerator.PROCESSOR)


def made(name: str, engine: Engine) -> BaseSession:
    """A new session of a model that is installed. Raises whatever onnxruntime does."""
    os.environ["U2NET_HOME"] = str(catalogue.home())  # where rembg looks before it would download
    options = SessionOptions()
    options.enable_mem_pattern = False  # a second copy of all that lies between layers: 200 MB with u2netp, no faster
    return new_session(name, sess_opts=options, providers=engine.providers())


@contextmanager
def _running(model: str) -> Iterator[None]:
    """Raises PhotoError `model_failed` for whatever fails inside but memory: weights that vanish or cannot be read, a
    network that cannot be run."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        log.exception("the model %s cannot be run", model)
        raise PhotoError("model_failed", model=model, reason=type(error).__name__) from error


def mask_of(image: Image.Image, model: str) -> tuple[Image.Image, float]:
    """How much each pixel of a picture (RGB or RGBA) belongs to the subject (mode L, same size), and how sure that is.

    The mask is what rembg makes of a reduced picture. The confidence is the mean chance of the pixels that are likelier
    subject than not; where there are none, the highest chance there is. Raises PhotoError `unknown_foreground` when
    nothing stands out, and as `session` does.
    """
    mask, confidence = _predicted(image, model)
    return scaled(mask, image.size), confidence


def _predicted(image: Image.Image, model: str) -> tuple[Image.Image, float]:
    """The mask as large as the network sees, and the confidence. Raises as `mask_of`."""
    small = image.resize(catalogue.MODELS[model].input_size, Image.Resampling.LANCZOS, reducing_gap=NEAR)
    small = standing_out(small)
    if _is_plain(small):
        raise PhotoError("unknown_foreground")
    warm = session(model)
    # rembg stretches the prediction to 0..1, which is 0/0 where it is the same everywhere; that casts to an empty mask.
    with np.errstate(divide="ignore", invalid="ignore"), _running(model):
        mask: Image.Image = warm.predict(small)[0]
    confidence = _confidence(warm)
    if confidence < LEAST_CONFIDENCE or mask.getextrema() == (0, 0):
        raise PhotoError("unknown_foreground")
    return mask, confidence


def _is_plain(image: Image.Image) -> bool:
    """Whether it shows one colour. (Networks find subjects even there: u2netp does in magenta.)"""
    averages = image.resize((GRID, GRID), Image.Resampling.BOX)
    return all(high - low <= PLAIN for low, high in ImageStat.Stat(averages).extrema)


def _confidence(warm: BaseSession) -> float:
    said = chance(warm)
    likely = said[said > 0.5]
    return float(likely.mean() if likely.size else said.max())


def chance(warm: BaseSession) -> NDArray[np.float32]:
    """What the network said last of each pixel, 0..1."""
    said: NDArray[np.float32] = warm.inner_session.said
    return warm.sigmoid(said) if hasattr(warm, "sigmoid") else said  # BiRefNet's have it, as their networks give logits


def standing_out(image: Image.Image) -> Image.Image:
    """An RGB picture: what can be seen through shows white or black, whichever the rest is farther from.

    (On white a network drops most of a white plate that was cut out before.)
    """
    if image.mode != "RGBA":
        return image
    seen = ImageStat.Stat(image.convert("L"), image.getchannel("A"))
    return over("black" if seen.mean[0] > LIGHT else "white", image)


def remove(picture: Picture, recipe: Recipe) -> list[Picture]:
    """The subject alone, RGBA. What was see-through before stays so.

    Facts: the model and its checksum; `mask`, what `review` saw; `review`, why a person should look at it;
    `subject_box`, where the subject is in the upright photo (left, top, right, bottom in px).
    """
    small, confidence = _predicted(picture.image, recipe.model)
    seen = review.judge(scaled(small, contained(picture.image.size, review.SIDE, review.SIDE)), confidence)
    cut = under(_seen_through(scaled(small, picture.image.size), picture.image), picture.image)
    checksum = catalogue.MODELS[recipe.model].digest
    facts = {"mask": seen, "review": review.reasons(seen), "subject_box": _box(small, cut.size)}
    return [picture.having(cut, model=recipe.model, model_checksum=checksum, **facts)]


def _box(mask: Image.Image, size: Size) -> list[int]:
    """Of what is rather subject than not, in a picture of `size` px; the whole where nothing is."""
    left, top, right, bottom = mask.point(lambda value: 255 * (value >= LIGHT)).getbbox() or (0, 0, *mask.size)
    across, down = size[0] / mask.width, size[1] / mask.height
    return [int(left * across), int(top * down), math.ceil(right * across), math.ceil(bottom * down)]


def _seen_through(mask: Image.Image, image: Image.Image) -> Image.Image:
    """The mask, less what was see-through before. Raises PhotoError `unknown_foreground` when hardly any is left."""
    if image.mode != "RGBA":
        return mask
    left = ImageChops.multiply(mask, image.getchannel("A"))
    if ImageStat.Stat(left).mean[0] < LEAST_LEFT * ImageStat.Stat(mask).mean[0]:
        raise PhotoError("unknown_foreground")
    return left


STEP = Step("background", "Removing background", lambda recipe: recipe.remove_bg, remove)
