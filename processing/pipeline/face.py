"""Finds the largest face and cuts a square headshot around it."""

import os
from dataclasses import astuple, dataclass
from functools import cache

import cv2
import numpy as np
from PIL import Image

from processing import catalogue
from processing.errors import PhotoError
from processing.pipeline.encode import on_white
from processing.pipeline.preview import reduced
from processing.pipeline.step import Picture, Step
from processing.recipe import Recipe

DETECT_AT = 640  # longest side, px, of the copy that is searched: 480 misses small faces, 1024 takes twice as long
SURE = 0.7  # YuNet's score from which a face counts
HEAD = 2.2  # side of the headshot, in heights of the face (brow to chin)
ABOVE = 0.48  # how far down the headshot the middle of the face lies

if "OMP_NUM_THREADS" in os.environ:  # OpenCV heeds it no more than rembg heeds OpenCV's
    cv2.setNumThreads(int(os.environ["OMP_NUM_THREADS"]))


@dataclass(frozen=True)
class Box:
    """A rectangle in px of the picture."""

    left: float
    top: float
    width: float
    height: float


@cache
def _detector(path: str) -> cv2.FaceDetectorYN:
    return cv2.FaceDetectorYN.create(path, "", (DETECT_AT, DETECT_AT), score_threshold=SURE)


def find(image: Image.Image) -> list[Box]:
    """The faces in a picture, largest first. Raises PhotoError `model_not_installed`."""
    detector = _detector(str(catalogue.require(catalogue.FACES.name).path))
    small = on_white(reduced(image, DETECT_AT))
    detector.setInputSize(small.size)
    _, rows = detector.detect(np.asarray(small)[:, :, ::-1].copy())  # OpenCV wants BGR
    scale = image.width / small.width
    boxes = [Box(*(float(value) * scale for value in row[:4])) for row in (rows if rows is not None else ())]
    return sorted(boxes, key=lambda box: -box.width * box.height)


def headshot(face: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The square (left, top, right, bottom) around a face, moved and shrunk until it lies inside `size`."""
    side = min(round(face.height * HEAD), *size)
    left = _inside(face.left + face.width / 2 - side / 2, size[0] - side)
    top = _inside(face.top + face.height / 2 - side * ABOVE, size[1] - side)
    return left, top, left + side, top + side


def _inside(value: float, most: int) -> int:
    return max(0, min(round(value), most))


def crop(picture: Picture, recipe: Recipe) -> list[Picture]:
    """The headshot of the largest face, looked for in the original. Raises PhotoError `no_face_found`."""
    faces = find(picture.original)
    if not faces:
        raise PhotoError("no_face_found")
    box = headshot(faces[0], picture.image.size)
    facts = {"faces": len(faces), "face_box": [round(value) for value in astuple(faces[0])], "crop_box": list(box)}
    return [picture.moved(lambda image: image.crop(box), **facts)]


STEP = Step("face", "Finding the face", lambda recipe: recipe.crop_face, crop)
