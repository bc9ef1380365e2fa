"""Finds faces with YuNet, and measures heads: eyes, chin and crown, and how far the head is turned."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import cv2
import numpy as np
from PIL import Image

from processing import catalogue
from processing.pipeline.encode import on_white
from processing.pipeline.preview import reduced

Points = np.ndarray  # of floats: one point as (x, y), or a row for each
Pixels = np.ndarray  # of bytes: RGB

DETECT_AT = 640  # longest side, px, of the copy that is searched: 480 misses small faces, 1024 takes twice as long
LEAST_SIDE = 64  # px: in strips up to 32 px high OpenCV gives one face, surely, whose place and size mean nothing
SURE = 0.7  # YuNet's score from which a face counts
KNOWN = 0.3  # the same, where we know that a face is
AROUND = 3.0  # side of the part that is looked at closely, in heights of the face
CLOSE = 320  # px, side of the square in which a face is looked at closely
WIDE = 200  # px, how wide the face is there: the landmarks follow a turned face at this size, and hardly at a third
# The last look is the mean over these widths and angles, as the photo is and mirrored: a third of one look's error.
WIDTHS, ANGLES = (170, WIDE, 230), (-4.0, 0.0, 4.0)
CALM = 1.0  # px of blur there: without it the noise of a JPEG moves the landmarks
ROUNDS = 4  # of turning the face upright, at most
SAME = 1.0  # degrees: a smaller change ends the rounds
ERECT = 0.92  # YuNet's score of a face that cannot lie sideways or hang upside down: those have 0.9 at most
SIDEWAYS = 0.02  # by how much surer it must be of another face when it is turned a quarter or a half
PROFILE = 0.5  # the nose's tip so far off the middle of the eyes, in distances of the eyes: a bowed head looks rolled
NOSE = 0.6  # how far the nose's tip lies before the eyes, in distances of the eyes
# The eye line halves the head: the first of the neoclassical canons. Farkas et al. (Plastic and Reconstructive Surgery
# 75, 1985) found that the upper half is the larger one in most people, and hair comes on top.
CROWN = 1.05  # from the eye line to the crown, in distances from the eye line to the chin
HAIR = (0.8, 1.3)  # a crown that the cut-out shows counts within these shares of the expected one; else it is a hat


@dataclass(frozen=True)
class Face:
    """A face in px of the photo. Its box (middle, width, height) is turned by `roll` degrees, clockwise.

    `points` are 5 x 2: the eyes from left to right, the nose's tip, the corners of the mouth.
    """

    middle: Points
    width: float
    height: float
    points: Points
    score: float
    roll: float = 0.0

    @property
    def across(self) -> Points:
        """One px to the right, as the face sees the picture."""
        angle = np.radians(self.roll)
        return np.array([np.cos(angle), np.sin(angle)])

    @property
    def down(self) -> Points:
        """One px towards the chin."""
        return np.array([-self.across[1], self.across[0]])

    @property
    def aside(self) -> float:
        """How far the nose's tip is off the middle of the eyes, in distances of the eyes; negative to the left."""
        eyes = self.points[1] - self.points[0]
        return float((self.points[2] - self.points[:2].mean(0)) @ self.across / max(1.0, np.hypot(*eyes)))


@dataclass(frozen=True)
class Head:
    """A head in px of the photo: points as (x, y). `roll` and `yaw` in degrees; `seen` is false for a guessed crown."""

    eyes: Points
    middle: Points
    crown: Points
    chin: Points
    roll: float
    yaw: float
    seen: bool

    @property
    def height(self) -> float:
        return float(np.hypot(*(self.chin - self.crown)))


@cache
def _detector(path: str, sure: float) -> Any:
    return cv2.FaceDetectorYN.create(path, "", (DETECT_AT, DETECT_AT), score_threshold=sure)


def _detect(pixels: Pixels, sure: float) -> list[Face]:
    """The faces in RGB pixels."""
    detector = _detector(str(catalogue.require(catalogue.FACES.name).path), sure)
    below, right = (max(0, LEAST_SIDE - side) for side in pixels.shape[:2])
    pixels = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_CONSTANT)
    detector.setInputSize(pixels.shape[1::-1])
    _, rows = detector.detect(np.ascontiguousarray(pixels[..., ::-1]))  # OpenCV wants BGR
    return [
        Face(np.array([row[0] + row[2] / 2, row[1] + row[3] / 2]), float(row[2]), float(row[3]),
             row[4:14].reshape(5, 2).astype(float), float(row[14]))
        for row in (rows if rows is not None else ())
    ]  # fmt: skip


def _moved(face: Face, move: Points) -> Face:
    """The face after an affine move (2 x 3); its roll stays."""
    scale = float(np.hypot(move[0, 0], move[1, 0]))
    return replace(
        face, middle=move[:, :2] @ face.middle + move[:, 2], points=face.points @ move[:, :2].T + move[:, 2],
        width=face.width * scale, height=face.height * scale,
    )  # fmt: skip


def find(photo: Image.Image) -> list[Face]:
    """The faces in a photo, largest first, measured coarsely; where it has none upright, those of the turned photo.

    Raises PhotoError `model_not_installed`.
    """
    small = np.asarray(on_white(reduced(photo, DETECT_AT)))
    for quarters in range(4):
        turned = np.rot90(small, quarters)
        if faces := _detect(turned, SURE):
            back = _turned_back(small, turned, quarters) * photo.width / small.shape[1]
            faces = [replace(_moved(face, back), roll=90.0 * quarters) for face in faces]
            return sorted(faces, key=lambda face: -face.width * face.height)
    return []


def _turned_back(pixels: Pixels, turned: Pixels, quarters: int) -> Points:
    """The move from the px of a turned picture to its px as it was."""
    across, down = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters], ((0, 1), (-1, 0), (0, -1), (1, 0))[quarters]
    turn = np.array([across, down], float).T
    middle, middle_turned = ((np.array(one.shape[1::-1]) - 1) / 2 for one in (pixels, turned))
    return np.column_stack([turn, middle - turn @ middle_turned])


def head_of(photo: Image.Image, face: Face, cut: Image.Image | None = None) -> Head:
    """The head of a face found in `photo`. `cut` is the mask of the subject (mode L), which shows the crown."""
    face = _close_up(photo, face)
    eyes = face.points[:2].mean(0)
    to_chin = float((face.middle - eyes) @ face.down) + face.height / 2
    top = _top(cut, eyes, face, to_chin * CROWN) if cut else None
    aside = float((face.middle - eyes) @ face.across) / 2  # between the eyes' middle and the box's
    return Head(
        eyes=face.points[:2], middle=eyes + aside * face.across,
        crown=eyes - (top or to_chin * CROWN) * face.down, chin=eyes + to_chin * face.down,
        roll=face.roll, yaw=float(np.degrees(np.arctan(face.aside / NOSE))), seen=top is not None,
    )  # fmt: skip


# ---- a close look ---------------------------------------------------------------------------------------------------


def _close_up(photo: Image.Image, face: Face) -> Face:
    """The face measured finely, with its roll. The landmarks err towards upright, so it is turned until they agree."""
    half = AROUND / 2 * max(face.width, face.height)
    left, top = (max(0, round(at - half)) for at in face.middle)
    right, bottom = (min(side, round(at + half)) for at, side in zip(face.middle, photo.size, strict=True))
    part = photo.crop((left, top, right, bottom))
    small = on_white(reduced(part, DETECT_AT))
    back = np.array([[1, 0, left], [0, 1, top]], float)
    back[:, :2] *= part.width / small.width
    pixels = np.asarray(small)
    near = _on_its_feet(pixels, _moved(face, cv2.invertAffineTransform(back)))
    upright = _upright(pixels, near)
    return _moved(near if abs(upright.aside) > PROFILE else upright, back)


def _on_its_feet(pixels: Pixels, face: Face) -> Face:
    """The face as it is surest: as it was found, or turned by 90, 180 or 270 degrees."""
    first = _looked(pixels, face)
    if first.score > ERECT:
        return first
    turned = [_looked(pixels, replace(face, roll=face.roll + more)) for more in (90.0, 180.0, -90.0)]
    best = max(turned, key=lambda one: one.score)
    return best if best.score > first.score + SIDEWAYS else first


def _upright(pixels: Pixels, face: Face) -> Face:
    for _ in range(ROUNDS):
        before, face = face.roll, _turned(_looked(pixels, face))
        if abs(face.roll - before) < SAME:
            break
    return _turned(_looked(pixels, face, WIDTHS, ANGLES))


def _turned(face: Face) -> Face:
    """The face with the roll that its eyes say."""
    eyes = face.points[1] - face.points[0]
    return replace(face, roll=float(np.degrees(np.arctan2(eyes[1], eyes[0]))))


def _looked(pixels: Pixels, face: Face, widths: Sequence[float] = (WIDE,), angles: Sequence[float] = (0.0,)) -> Face:
    """The mean of looks at the face, upright by its roll, in several widths (px) and a little turned.

    Its roll stays. Where nothing is seen it is the same face, with score 0.
    """
    looks = [
        look for width in widths for angle in angles
        for look in _looks(pixels, replace(face, roll=face.roll + angle), width)
    ]  # fmt: skip
    if not looks:
        return replace(face, score=0.0)
    return replace(
        face,
        middle=np.mean([look.middle for look in looks], axis=0),
        points=np.mean([look.points for look in looks], axis=0),
        width=float(np.mean([look.width for look in looks])),
        height=float(np.mean([look.height for look in looks])),
        score=float(np.mean([look.score for look in looks])),
    )


def _looks(pixels: Pixels, face: Face, width: float) -> list[Face]:
    move = cv2.getRotationMatrix2D((0, 0), face.roll, width / face.width)
    move[:, 2] += CLOSE / 2 - move[:, :2] @ face.middle
    close = cv2.warpAffine(pixels, move, (CLOSE, CLOSE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    close = cv2.GaussianBlur(close, (0, 0), CALM)
    back = cv2.invertAffineTransform(move)
    seen = [_nearest(_detect(close, KNOWN)), _mirrored(_nearest(_detect(close[:, ::-1], KNOWN)))]
    return [_moved(one, back) for one in seen if one]


def _nearest(faces: list[Face]) -> Face | None:
    """The face in the middle of a close look, where there is one."""
    found = min(faces, key=lambda face: np.hypot(*(face.middle - CLOSE / 2)), default=None)
    return found if found and np.hypot(*(found.middle - CLOSE / 2)) < CLOSE / 4 else None


def _mirrored(face: Face | None) -> Face | None:
    if face is None:
        return None
    flip, edge = np.array([-1, 1]), np.array([CLOSE - 1, 0])
    return replace(face, middle=face.middle * flip + edge, points=(face.points * flip + edge)[[1, 0, 2, 4, 3]])


# ---- the crown ------------------------------------------------------------------------------------------------------


def _top(cut: Image.Image, eyes: Points, face: Face, expected: float) -> float | None:
    """How far above the eyes the cut-out ends, in px, along the middle of the head; None where that is no crown."""
    up = np.linspace(0, HAIR[1], 200) * expected
    side = np.linspace(-0.25, 0.25, 9) * face.width
    at = eyes - up[:, None, None] * face.down + side[None, :, None] * face.across
    x, y = (at[..., n].round().astype(int).clip(0, cut.size[n] - 1) for n in (0, 1))
    solid = (np.asarray(cut)[y, x] > 127).mean(axis=1) > 0.5
    ends = int(solid.argmin())  # the first that is not solid; 0 where all are, or where the face itself is not
    return float(up[ends]) if up[ends] >= HAIR[0] * expected else None
