"""Takes the background away: the model says how much each pixel belongs to the subject."""

import os

import numpy as np
from PIL import Image, ImageChops
from rembg import new_session
from rembg.sessions.base import BaseSession

from processing import catalogue
from processing.errors import PhotoError
from processing.pipeline.encode import on_white
from processing.pipeline.step import Picture, Step
from processing.recipe import Recipe

_warm: dict[str, BaseSession] = {}  # one session per model and process: loading costs more than using


def session(name: str) -> BaseSession:
    """The warm session of a model. Raises PhotoError `model_not_installed`; never downloads."""
    if name not in _warm:
        weights = catalogue.require(name)
        os.environ["U2NET_HOME"] = str(weights.path.parent)  # where rembg looks before it would download
        _warm[name] = new_session(name)
    return _warm[name]


def mask_of(image: Image.Image, model: str) -> Image.Image:
    """How much each pixel of an RGB picture belongs to the subject: mode L, same size.

    It is rembg's own mask. Raises PhotoError `unknown_foreground` when nothing stands out.
    """
    # rembg stretches the prediction to 0..1, which is 0/0 where it is the same everywhere; that casts to an empty mask.
    with np.errstate(divide="ignore", invalid="ignore"):
        mask: Image.Image = session(model).predict(image)[0]
    if mask.getextrema() == (0, 0):
        raise PhotoError("unknown_foreground")
    return mask


def remove(picture: Picture, recipe: Recipe) -> list[Picture]:
    """The subject alone, RGBA. What was see-through before stays so."""
    mask = mask_of(on_white(picture.image), recipe.model)
    if picture.image.mode == "RGBA":
        mask = ImageChops.multiply(mask, picture.image.getchannel("A"))
    cut = picture.image.convert("RGB")
    cut.putalpha(mask)
    checksum = catalogue.MODELS[recipe.model].checksum.partition(":")[2]
    return [picture.having(cut, model=recipe.model, model_checksum=checksum)]


STEP = Step("background", "Removing background", lambda recipe: recipe.remove_bg, remove)
