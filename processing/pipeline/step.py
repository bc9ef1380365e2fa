"""What goes from step to step, and what a step is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from processing.recipe import Recipe


@dataclass(frozen=True)
class Picture:
    """A picture on its way: upright, sRGB, 8 bits, mode RGB or RGBA.

    `image` is what the steps have made so far, `original` what came in; `facts` are JSON-able.
    """

    image: Image.Image
    original: Image.Image
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One operation: `name` in the facts, `label` for people, and whether a recipe asks for it."""

    name: str
    label: str
    wanted: Callable[[Recipe], bool]
    do: Callable[[Picture, Recipe], Picture]
