"""What script/edges does: the table of figures, and the sheet of pictures."""

import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rembg
from PIL import Image

from processing.pipeline import background, refine
from processing.pipeline.grid import Plane
from processing.pipeline.step import Picture
from processing.recipe import Recipe
from script.edge_truth import Truth, furry, sample

DOCS = Path(__file__).resolve().parent.parent / "docs"
MODEL = "u2netp"
TIMES = 3
TRUTHS = (("a wall", 0.05), ("the sky", 0.08), ("wood", 0.04), ("a wall", 0.02), ("the sky", 0.0))
HEIGHT = 190  # px of a picture in the sheet
BETWEEN = re.compile(r"(?<=<!-- figures -->\n).*(?=<!-- end -->)", re.DOTALL)

Way = Callable[[Image.Image, Image.Image], Image.Image]  # photo and mask to cut-out


def plain(photo: Image.Image, mask: Image.Image) -> Image.Image:
    cut = photo.copy()
    cut.putalpha(mask)
    return cut


def estimated(photo: Image.Image, mask: Image.Image) -> Image.Image:
    """The mask as it is, with pymatting's foreground over the whole picture."""
    cut: Image.Image = rembg.bg.decontaminate_cutout(photo, mask)
    return cut


def guided_filter(photo: Image.Image, mask: Image.Image) -> Image.Image:
    """He, Sun, Tang, "Guided Image Filtering" (2010) in grey, radius 8, then the foreground."""
    guide, alpha = np.asarray(photo.convert("L"), np.float32) / 255, np.asarray(mask, np.float32) / 255
    middle, mean = _box(guide), _box(alpha)
    slope = (_box(guide * alpha) - middle * mean) / (_box(guide * guide) - middle * middle + 1e-4)
    found = np.clip(_box(slope) * guide + _box(mean - slope * middle), 0, 1)
    return estimated(photo, Image.fromarray((255 * found + 0.5).astype(np.uint8)))


def _box(plane: Plane) -> Plane:
    return cv2.blur(plane, (17, 17))


def closed_form(photo: Image.Image, mask: Image.Image) -> Image.Image:
    """rembg's alpha matting, with the thresholds that are its own default."""
    cut: Image.Image = rembg.bg.alpha_matting_cutout(photo, mask, 240, 10, 10)
    return cut


def ours(**fields: Any) -> Way:
    recipe = Recipe(model=MODEL, **fields)
    return lambda photo, mask: refine.refine(Picture(plain(photo, mask), photo), recipe)[0].image


WAYS: dict[str, Way] = {
    "the mask as it comes (rembg)": plain,
    "and foreground estimation": estimated,
    "guided filter, radius 8, and foreground estimation": guided_filter,
    "closed-form matting (rembg's alpha_matting)": closed_form,
    "`none` and `decontaminate`": ours(refine="none"),
    "`smooth` and `decontaminate`": ours(refine="smooth"),
    "**`guided` and `decontaminate`** (the default)": ours(),
    "`matting` and `decontaminate`": ours(refine="matting"),
}


def mask_of(photo: Image.Image) -> Image.Image:
    return background.mask_of(photo, MODEL)[0]


def figures(truths: list[Truth]) -> str:
    """A table: for each way the error on white of each photo, their mean, and the seconds; taken in turn."""
    lines = [
        "| | " + " | ".join(truth.name for truth in truths) + " | mean | seconds |",
        "|---" * (len(truths) + 3) + "|",
    ]
    photos = [Image.fromarray(truth.photo) for truth in truths]
    masks = [mask_of(photo) for photo in photos]
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    errors: dict[str, list[float]] = {}
    for _ in range(TIMES):
        for name, way in WAYS.items():
            errors[name] = []
            for truth, photo, mask in zip(truths, photos, masks, strict=True):
                began = time.perf_counter()
                cut = way(photo, mask)
                seconds[name].append(time.perf_counter() - began)
                errors[name].append(truth.error(np.asarray(cut)))
    for name in WAYS:
        wrong = " | ".join(f"{error:.3f}" for error in (*errors[name], statistics.mean(errors[name])))
        lines.append(f"| {name} | {wrong} | {statistics.median(seconds[name]):.3f} |")
    return "\n".join(lines) + "\n"


def strip(photo: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """A part of a photo, then its cut-out as it comes and by the default, on white, black and red."""
    mask = mask_of(photo)
    cuts = [plain(photo, mask), ours()(photo, mask)]
    shown = [photo, *(laid(cut, ground) for ground in ("white", "black", "red") for cut in cuts)]
    size = round((box[2] - box[0]) * HEIGHT / (box[3] - box[1])), HEIGHT
    parts = [one.resize(size, Image.Resampling.BICUBIC, box=box) for one in shown]
    row = Image.new("RGB", (sum(part.width + 4 for part in parts), HEIGHT + 4), "grey")
    for n, part in enumerate(parts):
        row.paste(part, (n * (size[0] + 4), 0))
    return row


def laid(cut: Image.Image, ground: str) -> Image.Image:
    below = Image.new("RGB", cut.size, ground)
    below.paste(cut, mask=cut.getchannel("A"))
    return below


def sheet(parts: list[tuple[Image.Image, tuple[int, int, int, int]]]) -> Image.Image:
    rows = [strip(photo, box) for photo, box in parts]
    whole = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), "grey")
    top = 0
    for row in rows:
        whole.paste(row, (0, top))
        top += row.height
    return whole


def main(here: Path, names: list[str]) -> None:
    if names:
        photos = [Image.open(here / name).convert("RGB") for name in names]
        sheet([(photo, (0, 0, *photo.size)) for photo in photos]).save(here / "edges.jpg", quality=90)
        return
    truths = [furry(behind, length) for behind, length in TRUTHS]
    table = figures(truths)
    print(table)
    page = DOCS / "edges.md"
    page.write_text(BETWEEN.sub(lambda _: table, page.read_text()))
    astronaut, cat, cup = (Image.fromarray(sample(name)) for name in ("astronaut", "chelsea", "coffee"))
    fur = Image.fromarray(truths[1].photo)
    parts = [(astronaut, (140, 0, 330, 190)), (astronaut, (0, 90, 190, 280)), (cat, (210, 0, 451, 241)),
             (cup, (330, 60, 490, 220)), (fur, (80, 60, 330, 310))]  # fmt: skip
    sheet(parts).save(DOCS / "edges.jpg", quality=88)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
