"""Formats for faces: how large the picture and the head are, and where the eyes lie."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FacePreset:
    """`width` and `height` of the picture, in mm where `mm`, else the most px.

    The rest are shares of the picture's height: `head` (crown to chin), `eyes` (eye line from the bottom edge),
    `gap` (above the crown), each as (least, best, most).
    """

    name: str
    about: str
    width: float
    height: float
    mm: bool
    head: tuple[float, float, float]
    eyes: tuple[float, float, float]
    gap: tuple[float, float, float]
    source: str = ""

    def pixels(self, dpi: int) -> tuple[int, int]:
        """The size of the picture in px, at so many per inch."""
        if not self.mm:
            return round(self.width), round(self.height)
        return round(self.width / 25.4 * dpi), round(self.height / 25.4 * dpi)


_ANY = (0.0, 0.5, 1.0)
PRESETS: dict[str, FacePreset] = {
    preset.name: preset
    for preset in (FacePreset("headshot", "Head and shoulders", 1024, 1024, False, (0.4, 0.5, 0.6), _ANY, _ANY),)
}
