"""Numbers and times as people read them."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from processing import show
from processing.recipe import Recipe, choices


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (312_400, "312 kB"), (999_600, "1.0 MB"), (1_240_000, "1.2 MB"),
     (12_500_000, "12 MB"), (999_900_000, "1.0 GB"), (2 * 10**12, "2.0 TB"), (5 * 10**16, "50000 TB")],
)  # fmt: skip
def test_sizes_have_three_digits_at_most(count: int, text: str) -> None:
    assert show.size(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.041, "0.04 s"), (1.44, "1.4 s"), (12.4, "12 s"), (372, "6 min 12 s"), (120, "2 min"), (7500, "2 h 5 min"),
     (0.997, "1.0 s"), (9.97, "10 s"),
     (86_399, "23 h 59 min"), (8_294_400, "96 d 0 h"),
    (93_700, "1 d 2 h")],
)  # fmt: skip
def test_durations(value: float, text: str) -> None:
    assert show.seconds(value) == text


@pytest.mark.parametrize(
    ("least", "most", "text"),
    [(5, 20, "less than a minute left"), (250, 350, "4 to 6 min left"), (40, 80, "1 to 2 min left"),
     (7200, 11000, "2 to 4 h left")],
)  # fmt: skip
def test_the_time_left_is_a_range(least: float, most: float, text: str) -> None:
    assert show.time_left(least, most) == text


def test_moments_are_said_as_people_say_them() -> None:
    noon = timezone.localtime().replace(hour=12, minute=5)
    assert show.moment(noon) == "today 12:05"
    assert show.moment(noon - timedelta(days=1)) == "yesterday 12:05"
    assert show.moment(timezone.make_aware(datetime(2020, 3, 3, 12))) == "3 March 2020"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Cut-out with u2netp"),
        ({"remove_bg": False, "quality": 50}, "Background kept, quality 50"),
        ({"background": "white", "format": "jpg"}, "Cut-out with u2netp, on white, JPEG"),
        ({"background": f"image:{'a' * 64}"}, "Cut-out with u2netp, on an image"),
        ({"crop_face": True, "max_bytes": 300_000}, "Cut-out with u2netp, cropped to the face, at most 300 kB"),
        ({"padding": "5%", "trim": True, "size": "800x", "format": "webp", "quality": 60, "dpi": 72, "effort": "small"},
         "Cut-out with u2netp, 800x, WEBP, quality 60, trimmed, margin 5% and 2 more"),
    ],
)  # fmt: skip
def test_a_recipe_is_said_in_a_few_words(changes: dict[str, object], text: str) -> None:
    assert show.summary(Recipe(model="u2netp", **changes)) == text


OTHERS = {"model": "silueta", "padding": "5%", "background": "teal", "size": "x800", "quality": 60,
          "max_bytes": 300_000, "dpi": 72, "variants": ("web",)}  # fmt: skip


@pytest.mark.parametrize("field", Recipe.model_fields)
def test_a_summary_says_every_field_that_is_not_the_default(field: str) -> None:
    plain = Recipe(model="u2netp")
    default = getattr(plain, field)
    words: list[object] = [word for word in choices(field) if word != default] if field != "model" else []
    for value in words or [OTHERS.get(field, not default)]:
        changed = Recipe(**{"model": "u2netp", field: value})
        assert show.summary(changed) != show.summary(plain)
        assert "None" not in show.phrase(field, value)
