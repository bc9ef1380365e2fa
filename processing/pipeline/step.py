"""What goes from step to step, what a step is, and what comes out at the end."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from PIL import Image

from processing.recipe import Recipe


@dataclass(frozen=True)
class Picture:
    """A picture on its way: upright, sRGB, 8 bits, mode RGB or RGBA, at the end L where the recipe wants the mask.

    `image` is what the steps have made so far, `original` what came in; `facts` are JSON-able. What may lie behind the
    subject: `scene`, the original moved along with the image by whoever moves the frame (set where the recipe wants
    it), and `ground`, a background that the person uploaded. `credit` is what the file said of its author, where the
    recipe lets it out.
    """

    image: Image.Image
    original: Image.Image
    facts: dict[str, Any] = field(default_factory=dict)
    scene: Image.Image | None = None
    ground: Image.Image | None = None
    credit: dict[str, str] = field(default_factory=dict)

    def having(self, image: Image.Image, **facts: Any) -> Self:
        """The same with another image, and with more facts."""
        return replace(self, image=image, facts=self.facts | facts)

    def moved(self, move: Callable[[Image.Image], Image.Image], **facts: Any) -> Self:
        """The same with its frame moved: `move` is done to the image, and to the scene behind it."""
        return replace(self.having(move(self.image), **facts), scene=self.scene and move(self.scene))


@dataclass(frozen=True)
class Made:
    """One file made from a photo: its variant's `name`, `format` (png webp jpg avif), size in px, its own facts."""

    name: str
    data: bytes
    format: str
    width: int
    height: int
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One operation: `name` in the facts, `label` for people, and whether a recipe asks for it.

    `do` gives one picture, or several where the photo becomes several results; at least one.
    """

    name: str
    label: str
    wanted: Callable[[Recipe], bool]
    do: Callable[[Picture, Recipe], list[Picture]]
