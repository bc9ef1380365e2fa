"""Judges a cut-out by its mask: what it looks like, and whether a person should look at it."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

# A person should look where more of the edge is unsure, where the subject is smaller or larger than these shares of
# the frame, where it covers more of a border, where there are so many parts, where the model is less confident.
# Chosen on photos, so that clean cut-outs stay below (0.29 unsure at most) and poor ones do not (0.51 and more).
MOST_UNSURE = 0.4
LEAST_SUBJECT, MOST_SUBJECT = 0.03, 0.95
MOST_BORDER = 0.1
MOST_PARTS = 2
LEAST_CONFIDENCE = 0.8

SIDE = 320  # px: the longest side of the copy that is measured
REACH = 4  # px of that copy: so near to a sure edge lie both ground and subject,
SHARP = 0.8  # and so far apart they are, of 1
WORTH = 0.02  # of the largest part's area: smaller ones are crumbs
SHOULDERS = 1 / 3  # of the height, from below: there a portrait may run out of the frame


def judge(mask: Image.Image, confidence: float) -> dict[str, Any]:
    """What a mask (L) looks like, as JSON-able shares of 1, whatever its size.

    `unsure`: of the edge, what has no sharp way from ground to subject; `subject`: its area in the frame; `border`:
    how much of each border it covers, but for the shoulders of a portrait; `parts`: how many pieces of worth;
    `confidence`: as given, the model's own.
    """
    small = _reduced(mask)
    inside = (small > 127).astype(np.uint8)
    return {
        "unsure": _share(_unsure(small)),
        "subject": _share(inside),
        "border": _border(inside),
        "parts": _parts(inside),
        "confidence": round(confidence, 3),
    }


def reasons(seen: dict[str, Any]) -> list[str]:
    """Why a person should look at what `judge` saw, worst first; empty where nobody needs to."""
    sides = [name for name, share in seen["border"].items() if share > MOST_BORDER]
    found = {
        "No clear subject.": seen["confidence"] < LEAST_CONFIDENCE,
        f"The subject fills {_percent(seen['subject'])} of the frame.":
            not LEAST_SUBJECT <= seen["subject"] <= MOST_SUBJECT,
        f"{_percent(seen['unsure'])} of the edge is unsure.": seen["unsure"] > MOST_UNSURE,
        f"The subject touches the {_listed(sides)} border{'s' * (len(sides) > 1)}.": bool(sides),
        f"{seen['parts']} loose parts.": seen["parts"] > MOST_PARTS,
    }  # fmt: skip
    return [sentence for sentence, holds in found.items() if holds]


def _reduced(mask: Image.Image) -> NDArray[np.uint8]:
    scale = SIDE / max(mask.size)
    size = max(1, round(mask.width * scale)), max(1, round(mask.height * scale))
    return np.asarray(mask.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0))


def _unsure(small: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """For each pixel of the edge, where the mask passes a quarter, a half or three quarters, whether it is unsure."""
    near = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    edge = cv2.morphologyEx(small >> 6, cv2.MORPH_GRADIENT, near[:3, :3]) > 0
    unsure: NDArray[np.bool_] = cv2.morphologyEx(small, cv2.MORPH_GRADIENT, near)[edge] < SHARP * 255
    return unsure


def _border(inside: NDArray[np.uint8]) -> dict[str, float]:
    above = inside[: max(1, round(len(inside) * (1 - SHOULDERS)))]
    return {"left": _share(above[:, 0]), "top": _share(inside[0]), "right": _share(above[:, -1])}


def _parts(inside: NDArray[np.uint8]) -> int:
    _, _, stats, _ = cv2.connectedComponentsWithStats(inside)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return int((areas >= WORTH * areas.max(initial=0)).sum())


def _share(found: NDArray[Any]) -> float:
    return round(float(found.mean()), 3) if found.size else 0.0


def _percent(share: float) -> str:
    return f"{int(100 * share)}%" if share >= 0.01 else "less than 1%"


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
