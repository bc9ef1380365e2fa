"""Formats for faces: how large the picture and the head are, and where the head lies."""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple


class Range(NamedTuple):
    """What a rule allows, and the best of it. A rule that is silent has `most` infinite: then `best` is our choice."""

    least: float
    best: float
    most: float

    @property
    def is_free(self) -> bool:
        return self.most == inf


@dataclass(frozen=True)
class FacePreset:
    """A format. All lengths are in mm where `mm` (for prints), else in px of the full size (for screens).

    `head` is the height from the crown to the chin, `eyes` that of the eye line above the bottom edge, `gap` the room
    above the crown. The head is placed by the eyes where they have a rule, else by the gap. A print always has its full
    size; a picture for screens is smaller where the photo is, unless enlarging is asked for. `source` names the rule.
    """

    name: str
    about: str
    width: float
    height: float
    mm: bool
    head: Range
    eyes: Range | None
    gap: Range | None
    source: str

    def pixels(self, dpi: int) -> tuple[int, int]:
        """The full size in px, at so many per inch."""
        if not self.mm:
            return round(self.width), round(self.height)
        return round(self.width / INCH * dpi), round(self.height / INCH * dpi)


INCH = 25.4  # mm
OURS = "Our own"
PRESETS: dict[str, FacePreset] = {
    preset.name: preset
    for preset in (
        FacePreset(
            "headshot", "Head and shoulders, 4:5", 1024, 1280, False,
            Range(500, 560, 620), Range(770, 840, 900), Range(60, 150, 300), OURS,
        ),
        FacePreset(
            "head", "The head alone, square", 1024, 1024, False,
            Range(650, 720, 790), Range(480, 540, 600), Range(30, 125, 250), OURS,
        ),
        FacePreset(
            "square-avatar", "Avatar, square, safe to be cut round", 512, 512, False,
            Range(260, 290, 320), Range(240, 270, 300), Range(30, 95, 150), OURS,
        ),
        FacePreset(
            "passport-35x45", "Passport, 35 x 45 mm (ICAO, EU, Schengen visa)", 35, 45, True,
            Range(32, 34, 36), Range(22.5, 24, 31.5), Range(2, 4, 9),
            "ICAO Doc 9303: the head takes 70 to 80 % of the height; ISO/IEC 19794-5: eyes at 50 to 70 % of it",
        ),
        FacePreset(
            "uk-passport-35x45", "UK passport, 35 x 45 mm", 35, 45, True,
            Range(29, 31.5, 34), None, Range(0, 5, inf),
            "HM Passport Office, rules for printed passport photos",
        ),
        FacePreset(
            "us-passport-2x2in", "US passport and visa, 2 x 2 in", 2 * INCH, 2 * INCH, True,
            Range(INCH, 30, 1.375 * INCH), Range(1.125 * INCH, 31, 1.375 * INCH), None,
            "US Department of State, passport photo requirements: head 1 to 1 3/8 in, eyes 1 1/8 to 1 3/8 in up",
        ),
        FacePreset(
            "canada-passport-50x70", "Canadian passport, 50 x 70 mm", 50, 70, True,
            Range(31, 33.5, 36), None, Range(0, 13, inf),
            "Government of Canada (IRCC), passport photo specifications",
        ),
        FacePreset(
            "china-passport-33x48", "Chinese passport and visa, 33 x 48 mm", 33, 48, True,
            Range(28, 30.5, 33), None, Range(3, 4, 5),
            "Ministry of Foreign Affairs of China, consular service: photo specifications",
        ),
        FacePreset(
            "japan-passport-35x45", "Japanese passport, 35 x 45 mm", 35, 45, True,
            Range(32, 34, 36), None, Range(2, 4, 6),
            "Ministry of Foreign Affairs of Japan, passport photo specifications: head 34 ± 2 mm, gap 4 ± 2 mm",
        ),
    )
}  # fmt: skip
