"""The reckoning: what the house acknowledged is held against what it has, by its doors, its database and its disk."""

import io
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tests.chaos import strays, told
from tests.chaos.found import Found, Row, rows_of
from tests.chaos.load import Sent, sum_of

if TYPE_CHECKING:
    from tests.chaos.world import World

Pixels = npt.NDArray[np.float32]  # (height, width, 3), 0 to 255
ALIKE = 15  # of those, on average; two photos of noise are 40 apart


def check(world: "World", patience: float) -> Found:
    found = Found(wrong=[*world.wrong])
    _wait(world, patience, found)
    rows = rows_of(world)
    found.photos = len(rows)
    _held_against(world, rows, found)
    for row in rows:
        _files(world, row, found)
    for photo, name in world.house.rows(FAILED_PICTURES.format(world.last_upload)):
        found.wrong.append(f"the picture {name} of photo {photo} could not be made")
    told.jobs(world, rows, found)
    told.webhooks(world, rows, found)
    strays.left_over(world, found)
    world.last_upload = max([world.last_upload, *(row.id for row in rows)])
    return found


# ---- until nothing moves ---------------------------------------------------------------------------------------------

UNFINISHED = (
    ("photos", "SELECT id || ' ' || status FROM processing_upload WHERE status IN ('new', 'queued', 'processing')"),
    ("small pictures of photos", "SELECT upload_id FROM processing_variant WHERE status = 'pending'"),
    ("webhooks", "SELECT id FROM processing_delivery WHERE delivered_at IS NULL"),
)

FAILED_PICTURES = """SELECT upload_id, processing_variant.name FROM processing_variant
    JOIN processing_upload ON processing_upload.id = upload_id AND processing_upload.status = 'completed'
    WHERE processing_variant.status = 'failed' AND upload_id > {}"""


def _wait(world: "World", patience: float, found: Found) -> None:
    end = time.monotonic() + patience
    while unfinished := _unfinished(world):
        if time.monotonic() > end:
            found.lost += [f"after {patience:.0f} s these {what} have not ended: {ids}" for what, ids in unfinished]
            return
        time.sleep(0.3)


def _unfinished(world: "World") -> list[tuple[str, list[Any]]]:
    looked = ((what, [one for (one,) in world.house.rows(sql)]) for what, sql in UNFINISHED)
    return [(what, ids) for what, ids in looked if ids]


# ---- photos ----------------------------------------------------------------------------------------------------------


def _held_against(world: "World", rows: list[Row], found: Found) -> None:
    """What was acknowledged is there once, in its job; what was not may be there once."""
    there = defaultdict(list)
    for row in rows:
        there[row.url or row.sha256].append(row)
    for sent in world.sent:
        for photo in sent.photos:
            _one(sent, photo, there.pop(photo, []), found)
    found.wrong += [f"nobody sent photo {row.id} {row.name}" for some in there.values() for row in some]


def _one(sent: Sent, photo: str, rows: list[Row], found: Found) -> None:
    if sent.job and not rows:
        found.lost.append(f"a photo of {sent}, acknowledged in job {sent.job}, is not there: {photo}")
    if len(rows) > 1:
        found.doubled.append(f"a photo of {sent} is there {len(rows)} times: {[row.id for row in rows]}")
    for row in rows:
        if sent.job not in (None, row.job):
            found.wrong.append(f"photo {row.id} of {sent} is in job {row.job}, not in {sent.job}")
        if row.sha256 != sent.photos[photo] and (row.sha256 or row.status == "completed"):
            found.wrong.append(f"the original of photo {row.id} of {sent} is another")


def _files(world: "World", row: Row, found: Found) -> None:
    """Its files, as they are given out, are what they are said to be."""
    if row.status in ("failed", "cancelled") and row.error not in world.may_fail:
        found.wrong.append(f"photo {row.id}, a good one, is {row.status}: {row.error}")
    place = f"/api/v1/uploads/{row.id}"
    original = _bytes(world, f"{place}/original", found) if row.sha256 else None
    if original is not None and sum_of(original) != row.sha256:
        found.wrong.append(f"the original of photo {row.id} has changed")
    if row.status == "completed" and (result := _bytes(world, f"{place}/result", found)) is not None:
        _result(world, row, result, original, found)


def _bytes(world: "World", path: str, found: Found) -> bytes | None:
    answer = world.get(path)
    if answer.status_code == 200:
        return answer.content
    found.lost.append(f"{path} is answered {answer.status_code}")
    return None


def _result(world: "World", row: Row, data: bytes, original: bytes | None, found: Found) -> None:
    try:
        with Image.open(io.BytesIO(data)) as image:
            shown = small(image)
    except Exception as error:
        found.wrong.append(f"the result of photo {row.id} does not open: {error!r}")
        return
    asked = next((sent.size for sent in world.sent if (row.url or row.sha256) in sent.photos), "")
    size = tuple(map(int, asked.split("x"))) if asked else (row.width or 0, row.height or 0)
    if image.size != size:
        found.wrong.append(f"the result of photo {row.id} is {image.size}, not {size}")
    if asked and original:  # nothing was asked of it but that size
        with Image.open(io.BytesIO(original)) as image:
            if (differs := float(np.abs(shown - small(image)).mean())) > ALIKE:
                found.wrong.append(f"the result of photo {row.id} shows another one: {differs:.0f} apart")


def small(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB").resize((32, 24), Image.Resampling.BOX), np.float32)
