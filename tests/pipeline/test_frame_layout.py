"""Where a picture goes in its frame: sizes alone."""

from itertools import product

import pytest

from processing.errors import PhotoError
from processing.pipeline.layout import Layout, covering, lay_out
from processing.recipe import Recipe, choices


def layout(picture: tuple[int, int], **choice: object) -> Layout:
    return lay_out((0, 0, *picture), Recipe(**choice))


@pytest.mark.parametrize(
    ("size", "choice", "canvas", "scaled"),
    [
        ((400, 200), {}, (400, 200), (400, 200)),
        ((400, 200), {"padding": "30"}, (460, 260), (400, 200)),
        ((400, 200), {"padding": "10%"}, (440, 240), (400, 200)),
        ((400, 200), {"size": "100x100"}, (100, 50), (100, 50)),
        ((400, 200), {"size": "100x"}, (100, 50), (100, 50)),
        ((400, 200), {"size": "x100"}, (200, 100), (200, 100)),
        ((400, 200), {"size": "1000x1000"}, (400, 200), (400, 200)),
        ((400, 200), {"size": "1000x1000", "enlarge": True}, (1000, 500), (1000, 500)),
        ((400, 200), {"size": "1000x", "enlarge": True}, (1000, 500), (1000, 500)),
        ((400, 200), {"size": "100x100", "padding": "10"}, (100, 60), (80, 40)),
        ((400, 200), {"size": "100x200", "padding": "10%"}, (100, 60), (80, 40)),
        ((400, 200), {"size": "440x", "padding": "20%"}, (440, 257), (366, 183)),
        ((400, 200), {"size": "1000x", "padding": "10%"}, (440, 240), (400, 200)),
        ((4096, 50), {"size": "100x100"}, (100, 1), (100, 1)),
        ((50, 4096), {"size": "x1"}, (1, 1), (1, 1)),
        ((3, 2), {"size": "1x1"}, (1, 1), (1, 1)),
    ],
)
def test_contain_keeps_the_whole_inside(
    size: tuple[int, int], choice: dict[str, object], canvas: tuple[int, int], scaled: tuple[int, int]
) -> None:
    found = layout(size, **choice)
    assert (found.canvas, found.size, found.part) == (canvas, scaled, (0, 0, *size))


@pytest.mark.parametrize(
    ("size", "choice", "canvas", "part"),
    [
        ((400, 200), {"size": "100x100"}, (100, 100), (100, 0, 300, 200)),
        ((400, 200), {"size": "100x100", "position": "left"}, (100, 100), (0, 0, 200, 200)),
        ((400, 200), {"size": "100x100", "position": "bottom-right"}, (100, 100), (200, 0, 400, 200)),
        ((200, 400), {"size": "100x50", "position": "top"}, (100, 50), (0, 0, 200, 100)),
        ((200, 400), {"size": "100x50", "position": "bottom-left"}, (100, 50), (0, 300, 200, 400)),
        ((400, 200), {"size": "1000x1000"}, (200, 200), (100, 0, 300, 200)),
        ((400, 200), {"size": "1000x1000", "enlarge": True}, (1000, 1000), (100, 0, 300, 200)),
        ((400, 200), {"size": "300x500"}, (120, 200), (140, 0, 260, 200)),
        ((400, 200), {"size": "100x"}, (100, 50), (0, 0, 400, 200)),
        ((400, 200), {"size": "120x120", "padding": "10"}, (120, 120), (100, 0, 300, 200)),
        ((4096, 50), {"size": "1x4000", "enlarge": True}, (1, 4000), (2048, 0, 2049, 50)),
    ],
)
def test_cover_fills_the_size_and_cuts(
    size: tuple[int, int], choice: dict[str, object], canvas: tuple[int, int], part: tuple[int, int, int, int]
) -> None:
    found = layout(size, fit="cover", **choice)
    assert (found.canvas, found.part) == (canvas, part)


@pytest.mark.parametrize(
    ("position", "place"),
    [
        ("center", (40, 65)), ("top", (40, 10)), ("bottom", (40, 120)), ("left", (10, 65)), ("right", (70, 65)),
        ("top-left", (10, 10)), ("top-right", (70, 10)), ("bottom-left", (10, 120)), ("bottom-right", (70, 120)),
    ],
)  # fmt: skip
def test_pad_puts_a_small_picture_where_it_is_asked_and_keeps_the_margin(position: str, place: tuple[int, int]) -> None:
    found = layout((40, 20), fit="pad", size="120x150", padding="10", position=position)
    assert (found.canvas, found.size, found.place) == ((120, 150), (40, 20), place)


@pytest.mark.parametrize(
    ("size", "choice", "canvas", "scaled", "place"),
    [
        ((400, 200), {"size": "100x100"}, (100, 100), (100, 50), (0, 25)),
        ((400, 200), {"size": "100x100", "padding": "10%"}, (100, 100), (80, 40), (10, 30)),
        ((400, 200), {"size": "1000x1000"}, (1000, 1000), (400, 200), (300, 400)),
        ((400, 200), {"size": "1000x1000", "enlarge": True}, (1000, 1000), (1000, 500), (0, 250)),
        ((400, 200), {"size": "500x", "padding": "5"}, (500, 210), (400, 200), (50, 5)),
        ((4096, 50), {"size": "16x16"}, (16, 16), (16, 1), (0, 8)),
    ],
)
def test_pad_is_always_exactly_the_size(
    size: tuple[int, int], choice: dict[str, object], canvas: tuple[int, int], scaled: tuple[int, int],
    place: tuple[int, int],
) -> None:  # fmt: skip
    found = layout(size, fit="pad", **choice)
    assert (found.canvas, found.size, found.place) == (canvas, scaled, place)


def test_a_trimmed_part_stays_a_part_of_the_whole_picture() -> None:
    found = lay_out((100, 50, 300, 150), Recipe(size="50x50", fit="cover", position="right"))
    assert (found.part, found.size) == ((200, 50, 300, 150), (50, 50))


def test_the_picture_lies_inside_its_canvas_whatever_is_asked() -> None:
    asked = product(
        ("7x9", "100x40", "40x", "x33", "3x3", ""), ("0", "1", "12.5%"), choices("fit"), choices("position")
    )
    for (size, padding, fit, position), enlarge in product(asked, (False, True)):
        for taken in ((1, 1), (50, 1000), (33, 20)):
            found = layout(taken, fit=fit, position=position, size=size, padding=padding, enlarge=enlarge)
            for n in (0, 1):
                assert 0 <= found.part[n] < found.part[n + 2] <= taken[n]
                assert 0 <= found.place[n] < found.place[n] + found.size[n] <= found.canvas[n]
                assert enlarge or found.size[n] <= taken[n]


@pytest.mark.parametrize(
    ("size", "choice"),
    [
        ((4096, 50), {"size": "x600", "enlarge": True}),
        ((4096, 4096), {"padding": "99%"}),
        ((60, 60), {"padding": "9999"}),
    ],
)
def test_a_frame_that_no_file_can_hold_is_refused(size: tuple[int, int], choice: dict[str, object]) -> None:
    with pytest.raises(PhotoError) as caught:
        layout(size, **choice)
    assert caught.value.code == "resolution_too_high"


def test_covering_takes_the_largest_part_of_the_proportions() -> None:
    assert covering((10, 10, 410, 210), (1, 1)) == (110, 10, 310, 210)
    assert covering((0, 0, 3, 3), (1000, 1)) == (0, 1, 3, 2)
