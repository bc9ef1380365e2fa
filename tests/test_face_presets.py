"""The numbers of the face formats."""

from pathlib import Path

import pytest

from processing.face_presets import OURS, PRESETS, FacePreset, Range

PAGE = Path(__file__).parent.parent / "docs" / "faces.md"


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_the_numbers_fit_each_other(preset: FacePreset) -> None:
    for wanted in (preset.head, preset.eyes, preset.gap):
        assert wanted is None or 0 <= wanted.least <= wanted.best <= wanted.most
    assert preset.head.most < preset.height
    brow = preset.head.best / 2.05 * 1.05  # from the eyes to the crown
    wanted = preset.eyes or preset.gap
    assert wanted
    gap = preset.height - wanted.best - brow if preset.eyes else wanted.best
    assert gap > 0
    assert gap + preset.head.best < preset.height
    if preset.gap and preset.eyes:
        assert preset.gap.least <= gap <= preset.gap.most


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_each_rule_names_its_source(preset: FacePreset) -> None:
    assert preset.about
    assert preset.mm == (preset.source != OURS)


def test_known_prints_have_their_known_pixels() -> None:
    assert PRESETS["passport-35x45"].pixels(300) == (413, 531)
    assert PRESETS["passport-35x45"].pixels(600) == (827, 1063)
    assert PRESETS["us-passport-2x2in"].pixels(300) == (600, 600)
    assert PRESETS["canada-passport-50x70"].pixels(300) == (591, 827)
    assert PRESETS["china-passport-33x48"].pixels(300) == (390, 567)
    assert PRESETS["headshot"].pixels(300) == PRESETS["headshot"].pixels(72) == (1024, 1280)


def test_the_passport_head_is_70_to_80_percent_of_the_picture() -> None:
    passport = PRESETS["passport-35x45"]
    assert passport.head.least / passport.height == pytest.approx(0.7, abs=0.015)
    assert passport.head.most / passport.height == pytest.approx(0.8)


def test_the_page_has_the_numbers_of_the_code() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert rows == [row(preset) for preset in PRESETS.values()]


def row(preset: FacePreset) -> str:
    unit = "mm" if preset.mm else "px"
    size = f"{preset.width:g} x {preset.height:g} {unit}"
    lengths = " | ".join(said(wanted) for wanted in (preset.head, preset.eyes, preset.gap))
    return f"| `{preset.name}` | {size} | {lengths} | {preset.source} |"


def said(wanted: Range | None) -> str:
    if wanted is None:
        return ""
    if wanted.is_free:
        return f"({wanted.best:g})"
    return f"{wanted.least:.4g} to {wanted.most:.4g} ({wanted.best:g})"
