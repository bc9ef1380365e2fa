"""Puts a head into its preset: where the photo goes for that, and how well the result keeps the preset."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image

from processing.face_presets import FacePreset, Range
from processing.pipeline.landmarks import Head, Pixels, Points
from processing.pipeline.layout import Size
from processing.pipeline.scale import scaled

TINY = 0.5  # degrees that nobody sees: turning would only soften the photo
SMEAR = 0.05  # blur of what is filled up beyond the photo's edge, in heights of the picture

# From here a result is out of its preset. ISO/IEC 19794-5 wants a head within 5 degrees; five landmarks tell yaw to
# about 10, and the eye line to 1.
MOST_ROLL, MOST_YAW = 5.0, 15.0
MOST_ENLARGED = 1.5  # softer than a print should be
MOST_FILLED = {True: 0.02, False: 0.1}  # of the picture, of a print and of what is for screens
MOST_BELOW = 0.02  # of the height
CUT = 0.05  # of the head


@dataclass(frozen=True)
class Placing:
    """The affine move (2 x 3) from px of the photo to px of the result, and the result's size in px."""

    move: Points
    size: Size
    unit: float  # px of the result in one of the preset's mm or px

    @property
    def scale(self) -> float:
        return float(np.hypot(self.move[0, 0], self.move[1, 0]))

    @property
    def turned(self) -> float:
        """Degrees, counterclockwise."""
        return float(np.degrees(np.arctan2(self.move[0, 1], self.move[0, 0])))

    def at(self, points: Points) -> Points:
        """Where points of the photo come to lie."""
        at: Points = points @ self.move[:, :2].T + self.move[:, 2]
        return at

    def covered(self, photo: Size) -> Pixels:
        """255 where the photo covers the result, else 0."""
        right, bottom = photo[0] - 0.5, photo[1] - 0.5
        corners = self.at(np.array([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]]))
        mask = np.zeros(self.size[::-1], np.uint8)
        return cv2.fillConvexPoly(mask, corners.round().astype(np.int32), 255)


def place(head: Head, preset: FacePreset, dpi: int, *, level: bool, enlarge: bool = False) -> Placing:
    """The head as large as the preset has it best, its eyes (or the gap above it) where they are best.

    Prints have their full size; a picture for screens that would have to be enlarged for it only with `enlarge`.
    """
    size = preset.pixels(dpi)
    scale = preset.head.best * size[1] / preset.height / head.height
    if not (preset.mm or enlarge) and scale > 1:
        size, scale = (max(1, round(size[0] / scale)), max(1, round(size[1] / scale))), 1.0
    unit = size[1] / preset.height
    move = cv2.getRotationMatrix2D((0, 0), head.roll if level and abs(head.roll) > TINY else 0.0, scale)
    eyes, crown = (float((move[:, :2] @ point)[1]) for point in (head.eyes.mean(0), head.crown))
    down = _down(preset, size[1] / unit, (eyes - crown) / unit) * unit - crown
    move[:, 2] = size[0] / 2 - (move[:, :2] @ head.middle)[0], down
    if scale == 1 and move[0, 1] == 0:
        move[:, 2] = move[:, 2].round()  # so that the photo's own px stay
    return Placing(move, size, unit)


def _down(preset: FacePreset, height: float, brow: float) -> float:
    """Where the crown lies below the top edge, in the preset's measure; `brow` is from the eyes up to the crown."""
    if preset.eyes is None:
        assert preset.gap
        return preset.gap.best
    gap = height - preset.eyes.best - brow
    return min(max(gap, preset.gap.least), preset.gap.most) if preset.gap else gap


def moved(image: Image.Image, placing: Placing, *, filled: bool) -> Image.Image:
    """The picture (RGB or RGBA) as it is placed. Nothing is stretched: beyond its edges RGBA is see-through.

    RGB is `filled` there with its own edge, blurred; else it becomes RGBA.
    """
    covered = placing.covered(image.size)
    whole = int(covered.min()) == 255
    if image.mode == "RGB" and not whole and not filled:
        image = image.convert("RGBA")
    part, move = _reduced(image, placing)
    flags, edge = cv2.INTER_CUBIC, cv2.BORDER_CONSTANT if image.mode == "RGBA" else cv2.BORDER_REPLICATE
    if image.mode == "RGBA":  # weighed by alpha, so that the colour under full transparency never shows
        weighed = cv2.cvtColor(np.asarray(part), cv2.COLOR_RGBA2mRGBA)
        pixels = cv2.warpAffine(weighed, move, placing.size, flags=flags, borderMode=edge)
        pixels[..., :3] = np.minimum(pixels[..., :3], pixels[..., 3:])
        return Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_mRGBA2RGBA))
    pixels = cv2.warpAffine(np.asarray(part), move, placing.size, flags=flags, borderMode=edge)
    made = Image.fromarray(pixels)
    if not whole:
        smeared = cv2.GaussianBlur(pixels, (0, 0), SMEAR * placing.size[1])
        made = Image.composite(made, Image.fromarray(smeared), Image.fromarray(covered))
    return made


def _reduced(image: Image.Image, placing: Placing) -> tuple[Image.Image, Points]:
    """The part of the picture that is seen, reduced to about the size it gets, and the move from there."""
    wide, high = placing.size
    corners = np.array([[0, 0], [wide, 0], [0, high], [wide, high]], float)
    back = cv2.invertAffineTransform(placing.move)
    seen = corners @ back[:, :2].T + back[:, 2]
    margin = 3 + 3 / placing.scale  # for the filter's taps
    left, top = (max(0, int(low - margin)) for low in seen.min(0))
    right, bottom = (min(side, int(high + margin)) for high, side in zip(seen.max(0), image.size, strict=True))
    part = image.crop((left, top, right, bottom))
    factor = min(1.0, placing.scale)
    size = max(1, round(part.width * factor)), max(1, round(part.height * factor))
    step = np.array(part.size) / size  # px of the part in one of its reduced self
    move = placing.move.copy()
    move[:, :2] *= step
    move[:, 2] += placing.move[:, :2] @ (np.array([left, top]) + step / 2 - 0.5)
    return scaled(part, size), move


# ---- the report -----------------------------------------------------------------------------------------------------


def report(head: Head, preset: FacePreset, placing: Placing, photo: Size, *, cut_out: bool) -> dict[str, Any]:
    """What is measured on the result, and which of it is out of the preset, as sentences. JSON-able."""
    crown, chin, eyes = placing.at(head.crown), placing.at(head.chin), placing.at(head.eyes)
    covered = placing.covered(photo)
    lengths = {
        "head": float(np.hypot(*(chin - crown))) / placing.unit,
        "eyes": (placing.size[1] - float(eyes[:, 1].mean())) / placing.unit,
        "gap": float(crown[1]) / placing.unit,
    }
    measured = {
        "roll_degrees": float(np.degrees(np.arctan2(*(eyes[1] - eyes[0])[::-1]))),
        "turned_degrees": placing.turned,
        "yaw_degrees": head.yaw,
        "enlarged": max(1.0, placing.scale),
        "extended": 1 - float(covered.mean()) / 255,
        "below": _empty_rows(covered) / placing.size[1],
    }
    out = _lengths_out(lengths, preset) + _edges_out(head, measured, photo)
    if not cut_out and measured["extended"] > MOST_FILLED[preset.mm]:
        out.append(f"{measured['extended']:.0%} of the picture lies beyond the photo and was filled up.")
    if measured["enlarged"] > MOST_ENLARGED:
        out.append(f"The photo is enlarged {measured['enlarged']:.1f} times: it is too small to be sharp.")
    if preset.mm:
        out += _print_out(measured)
    return {
        "preset": preset.name, "pass": not out, "out": out, "crown": "measured" if head.seen else "estimated",
        "measured": {f"{name}_{'mm' if preset.mm else 'share'}": round(length / (1 if preset.mm else preset.height), 3)
                     for name, length in lengths.items()} | {name: round(one, 3) for name, one in measured.items()},
    }  # fmt: skip


def _empty_rows(covered: Pixels) -> int:
    """The rows at the bottom of which the photo covers less than half."""
    short = covered.mean(axis=1) < 128
    return len(short) if short.all() else int(short[::-1].argmin())


def _lengths_out(lengths: dict[str, float], preset: FacePreset) -> list[str]:
    said = {
        "head": ("The head is {} high", preset.head),
        "eyes": ("The eyes are {} above the bottom edge", preset.eyes),
        "gap": ("The gap above the head is {}", preset.gap),
    }
    slack = preset.height / 1000  # a px more or less
    return [
        f"{text.format(_length(lengths[name], preset))}; it should be {_range(wanted, preset)}."
        for name, (text, wanted) in said.items()
        if wanted and not wanted.least - slack <= lengths[name] <= wanted.most + slack
    ]


def _length(length: float, preset: FacePreset) -> str:
    return f"{length:.1f} mm" if preset.mm else f"{length / preset.height:.0%}"


def _range(wanted: Range, preset: FacePreset) -> str:
    if wanted.is_free:
        return f"at least {_length(wanted.least, preset)}"
    return f"{_length(wanted.least, preset)} to {_length(wanted.most, preset)}"


def _edges_out(head: Head, measured: dict[str, float], photo: Size) -> list[str]:
    out = []
    slack = CUT * head.height
    ends = np.array([head.crown, head.chin])
    if (ends < -slack).any() or (ends > np.array(photo) + slack).any():
        out.append("The photo cuts the head.")
    if measured["below"] > MOST_BELOW:
        out.append(f"The photo ends {measured['below']:.0%} above the bottom edge.")
    return out


def _print_out(measured: dict[str, float]) -> list[str]:
    out = []
    if abs(measured["roll_degrees"]) > MOST_ROLL:
        out.append(f"The eyes tilt by {abs(measured['roll_degrees']):.0f}°.")
    if abs(measured["yaw_degrees"]) > MOST_YAW:
        out.append(f"The head looks about {abs(measured['yaw_degrees']):.0f}° to the side.")
    return out
