"""Cuts a photo to its face, or to each of its faces, as a preset says."""

from typing import Any

import numpy as np

from processing.errors import PhotoError
from processing.face_presets import PRESETS, FacePreset
from processing.pipeline.landmarks import Face, find, head_of
from processing.pipeline.layout import Size
from processing.pipeline.portrait import moved, place, report
from processing.pipeline.step import Picture, Step
from processing.recipe import Recipe

BY = 4  # passers-by have a face so many times less high than the largest
HEAD = 1.35  # height of a head in heights of the box that YuNet gives
LEAST = 48  # px: a head less high makes no picture
MOST_ENLARGED = 3.0  # for a print: what is smaller is a blur


def crop(picture: Picture, recipe: Recipe) -> list[Picture]:
    """The picture cut to the faces that the recipe wants, each a result; several go from left to right.

    Faces are looked for in the original. Raises PhotoError `no_face_found`, `face_too_small` and `multiple_faces`.
    """
    preset = PRESETS[recipe.face_preset]
    found = find(picture.original)
    people = [face for face in found if face.height * BY >= found[0].height]
    faces = [face for face in people if _large_enough(face, preset, recipe.dpi)]
    if not faces and recipe.no_face == "keep":
        return [picture.having(picture.image, faces=0, uncropped=True)]
    if not faces:
        raise _missing(found, preset, recipe.dpi)
    if recipe.face_policy == "reject" and len(people) > 1:
        raise PhotoError("multiple_faces", count=len(people))
    made = [_cropped(picture, face, preset, recipe) for face in _wanted(faces, recipe, picture.original.size)]
    facts: dict[str, Any] = {"faces": len(people), "face_reports": [report for _, report in made]}
    if recipe.face_policy == "all" and len(people) > len(faces):
        facts["faces_too_small"] = len(people) - len(faces)
    return [one.having(one.image, **facts) for one, _ in made]


def _least(preset: FacePreset, dpi: int) -> int:
    """How high a head must be in the photo, in px."""
    if not preset.mm:
        return LEAST
    return max(LEAST, round(preset.head.best * preset.pixels(dpi)[1] / preset.height / MOST_ENLARGED))


def _large_enough(face: Face, preset: FacePreset, dpi: int) -> bool:
    return face.height * HEAD >= _least(preset, dpi)


def _missing(found: list[Face], preset: FacePreset, dpi: int) -> PhotoError:
    if not found:
        return PhotoError("no_face_found")
    size, limit = f"{found[0].height * HEAD:.0f} px", f"{_least(preset, dpi)} px"
    return PhotoError("face_too_small", size=size, limit=limit)


def _wanted(faces: list[Face], recipe: Recipe, size: Size) -> list[Face]:
    """Of the faces, largest first, those that the policy takes."""
    if recipe.face_policy == "all":
        return sorted(faces, key=lambda face: float(face.middle[0]))
    if recipe.face_policy == "center":
        return [min(faces, key=lambda face: float(np.hypot(*(face.middle - np.array(size) / 2))))]
    return faces[:1]


def _cropped(picture: Picture, face: Face, preset: FacePreset, recipe: Recipe) -> tuple[Picture, dict[str, Any]]:
    """The picture cut to one face, and the report about it."""
    cut_out = picture.image.mode == "RGBA"
    head = head_of(picture.original, face, picture.image.getchannel("A") if cut_out else None)
    placing = place(head, preset, recipe.dpi, level=recipe.face_align, enlarge=recipe.enlarge)
    filled = recipe.background in ("transparent", "blur")  # else the background itself goes there
    cropped = picture.moved(lambda image: moved(image, placing, filled=filled))
    return cropped, report(head, preset, placing, picture.image.size, cut_out=cut_out)


STEP = Step("face", "Finding the face", lambda recipe: recipe.crop_face, crop)
