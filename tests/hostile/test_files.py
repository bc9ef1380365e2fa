"""Files that lie, that are cut short or damaged, that are two things at once: a right picture or one of our codes."""

import random

import pytest

from processing import backgrounds, header
from processing.errors import PhotoError
from processing.pipeline.run import run
from processing.recipe import Recipe
from tests.hostile import corpus
from tests.hostile.budget import patient, rounds
from tests.hostile.fate import REFUSALS, fate_of, quick
from tests.hostile.pieces import SIZE, jpeg, segment
from tests.intake.packing import sent
from tests.pipeline.conftest import LIMITS, opened

VALID, GIANTS = corpus.valid(), corpus.giants()
PLAIN = Recipe(remove_bg=False, metadata="keep-copyright")
LARGE = 10_000_000  # bytes, as many as a photo may have

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.mark.parametrize("format", VALID)
def test_the_valid_ones_are_read(format: str) -> None:
    fate = fate_of(VALID[format])
    assert (fate.door, fate.worker) == (format, format)


# ---- cut short and damaged -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", VALID)
def test_a_file_that_ends_after_any_hundredth_of_it_is_read_or_refused(format: str) -> None:
    whole = VALID[format]
    with quick(30):
        fates = [fate_of(whole[: len(whole) * part // 100]) for part in range(100)]
    assert fates[0].worker in REFUSALS
    assert fates[50].worker in REFUSALS


@patient
@pytest.mark.parametrize("format", VALID)
def test_a_file_that_is_damaged_is_read_or_refused(format: str) -> None:
    for dice in rounds(60):
        bad = dice.choice(DAMAGE)(VALID[format], dice)
        try:
            fate_of(bad)
        except BaseException as error:
            raise AssertionError(bad) from error


def turned(whole: bytes, dice: random.Random) -> bytes:
    bad = bytearray(whole)
    for _ in range(dice.choice((1, 1, 8, 40))):
        bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
    return bytes(bad)


def early(whole: bytes, dice: random.Random) -> bytes:
    """Where formats say what they are and how large."""
    bad = bytearray(whole)
    for _ in range(dice.randint(1, 4)):
        bad[dice.randrange(min(200, len(bad)))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
    return bytes(bad)


def without(whole: bytes, dice: random.Random) -> bytes:
    begin, end = sorted(dice.choices(range(len(whole)), k=2))
    return whole[:begin] + whole[end:]


def twice(whole: bytes, dice: random.Random) -> bytes:
    begin, end = sorted(dice.choices(range(len(whole)), k=2))
    return whole[:end] + whole[begin:]


DAMAGE = (turned, early, without, twice)


def test_a_heic_with_something_whose_kind_is_no_text_ends_no_process() -> None:
    assert fate_of(VALID["heic"].replace(b"Exif", b"\xffxif", 1)).door == "failed_to_read_image"


# ---- giants and bombs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GIANTS)
def test_a_giant_is_refused_by_what_it_says_of_itself(name: str) -> None:
    with quick(1):
        fate = fate_of(GIANTS[name])
    assert fate.door == "resolution_too_high"


@pytest.mark.parametrize("name", corpus.BUSY)
def test_a_reader_that_finds_no_end_is_stopped(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header, "SECONDS", 0.3)
    monkeypatch.setattr(header, "WHOLE", 0.3)
    data = corpus.BUSY[name](LARGE - 100_000)
    with quick(10):
        fate = fate_of(data)
    assert fate.worker == "failed_to_read_image"


def test_a_background_is_read_to_its_end_at_the_door_and_never_for_long() -> None:
    bad = sent("ground.jpg", corpus.over_and_over(200_000))
    with quick(3), pytest.raises(PhotoError, match="scans without end"):
        backgrounds.judge(bad)


def test_what_looks_like_a_scan_in_metadata_or_behind_the_photo_is_none() -> None:
    whole = jpeg(segment(5, b"\xff\xda" * 500)) + b"\xff\xda" * 500
    assert fate_of(whole).worker == "jpeg"


@pytest.mark.parametrize("name", corpus.SWOLLEN)
def test_a_file_that_makes_more_of_itself_takes_neither_seconds_nor_gigabytes(name: str) -> None:
    data = corpus.SWOLLEN[name](LARGE - 100_000)
    with quick(10):
        fate_of(data)


# ---- two things at once ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", corpus.polyglots())
def test_what_is_two_things_is_one_of_them(name: str) -> None:
    data, wanted = corpus.polyglots()[name]
    assert fate_of(data).worker == wanted


@pytest.mark.parametrize("name", [name for name, (_, found) in corpus.polyglots().items() if found in VALID])
def test_the_other_thing_never_reaches_a_result(name: str) -> None:
    data, _ = corpus.polyglots()[name]
    for made in run(data, PLAIN, limits=LIMITS).files:
        assert not any(other in made.data for other in (corpus.SCRIPT, corpus.PHP, b"%PDF", b"PK\3\4", b"<html>"))


# ---- odd ones --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", corpus.odd())
def test_good_pixels_are_shown_whatever_is_said_of_them(name: str) -> None:
    result = opened(run(corpus.odd()[name], PLAIN, limits=LIMITS).files[0].data)
    assert result.size == SIZE
    assert result.info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("name", corpus.empty_palettes())
def test_a_palette_without_entries_is_shown_somehow_or_refused(name: str) -> None:
    fate_of(corpus.empty_palettes()[name])
