"""Where a picture goes in its frame: sizes alone, no pixels."""

from dataclasses import dataclass

from processing.errors import PhotoError
from processing.header import MOST_PIXELS
from processing.recipe import Recipe

MOST_SIDE = 16383  # px: what a WEBP can hold

Size = tuple[int, int]
Box = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True)
class Layout:
    """In px: the `part` taken of the picture, the `size` it gets, the `canvas`, and its `place` there (left, top)."""

    part: Box
    size: Size
    canvas: Size
    place: Size

    @property
    def is_full(self) -> bool:
        """Whether the picture leaves nothing of the canvas free."""
        return self.size == self.canvas


def lay_out(box: Box, recipe: Recipe) -> Layout:
    """The layout of the part `box` of a picture. The margin lies inside the size asked for, whatever the fit.

    Raises PhotoError `resolution_too_high` where the frame grows beyond what files can hold.
    """
    margin = _margin(_size_of(box), recipe)
    wide, high = (side and side - 2 * margin for side in recipe.box)
    if wide and high and recipe.fit == "cover":
        part = covering(box, (wide, high), recipe.position)
        size = _covered(_size_of(part), (wide, high), recipe.enlarge)
    else:
        part, size = box, contained(_size_of(box), wide, high, enlarge=recipe.enlarge)
    free = [side + 2 * margin for side in size]
    if recipe.fit == "pad":
        free = [asked or side for asked, side in zip(recipe.box, free, strict=True)]
    canvas = free[0], free[1]
    _check(canvas)
    across, down = _share(recipe.position)
    left = margin + round(across * (canvas[0] - 2 * margin - size[0]))
    top = margin + round(down * (canvas[1] - 2 * margin - size[1]))
    return Layout(part, size, canvas, (left, top))


def covering(box: Box, proportions: Size, position: str = "center") -> Box:
    """The largest part of `box` that has these proportions, as far as whole px allow."""
    wide, high = _size_of(box)
    scale = min(wide / proportions[0], high / proportions[1])
    size = _scaled(proportions, scale)
    across, down = _share(position)
    left, top = box[0] + round(across * (wide - size[0])), box[1] + round(down * (high - size[1]))
    return left, top, left + size[0], top + size[1]


def contained(size: Size, wide: int | None, high: int | None, *, enlarge: bool = False) -> Size:
    """The size inside the room that is given; a side that is not given follows."""
    scale = min([room / side for room, side in zip((wide, high), size, strict=True) if room], default=1.0)
    return _scaled(size, scale if enlarge else min(1.0, scale))


def _covered(part: Size, room: Size, enlarge: bool) -> Size:
    return room if enlarge or (part[0] >= room[0] and part[1] >= room[1]) else part


def _margin(size: Size, recipe: Recipe) -> int:
    """The margin in px. A share is of the canvas where both its sides are given, else of the picture as it will be."""
    given = [side for side in recipe.box if side]
    if len(given) == 2:
        shorter: float = min(given)
    else:
        shorter = min(size) * _shrinking(size, recipe)
    return min([recipe.margin(round(shorter)), *((side - 1) // 2 for side in given)])


def _shrinking(size: Size, recipe: Recipe) -> float:
    """The scale at which the picture with its margin has the one side that is asked for."""
    margin = recipe.margin(min(size))
    scales = [asked / (side + 2 * margin) for asked, side in zip(recipe.box, size, strict=True) if asked]
    scale = min(scales, default=1.0)
    return scale if recipe.enlarge else min(1.0, scale)


def _check(canvas: Size) -> None:
    if max(canvas) > MOST_SIDE or canvas[0] * canvas[1] > MOST_PIXELS:
        limit = f"{MOST_SIDE}x{MOST_SIDE}, {MOST_PIXELS // 1_000_000} megapixels"
        raise PhotoError("resolution_too_high", limit=limit, size=f"{canvas[0]}x{canvas[1]} in its frame")


def _share(position: str) -> tuple[float, float]:
    """How much of the free space lies left of the picture, and above it."""
    across = 0.0 if "left" in position else 1.0 if "right" in position else 0.5
    return across, 0.0 if "top" in position else 1.0 if "bottom" in position else 0.5


def _size_of(box: Box) -> Size:
    return box[2] - box[0], box[3] - box[1]


def _scaled(size: Size, scale: float) -> Size:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
