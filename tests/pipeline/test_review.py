"""A clean cut-out needs nobody; a poor one says why somebody should look."""

import json

import pytest
from PIL import Image, ImageDraw, ImageFilter

from processing.pipeline import background, review
from tests.environment import SHARED

SAMPLES = SHARED / "samples" / "rembg"
SURE = 0.99
SIZE = (800, 600)


def disc(*boxes: tuple[int, int, int, int], blur: float = 1.5, size: tuple[int, int] = SIZE) -> Image.Image:
    """A mask with an ellipse in each of the boxes, given for 800x600 px; `blur` is in px of that size too."""
    large = Image.new("L", SIZE)
    for box in boxes:
        ImageDraw.Draw(large).ellipse(box, fill=255)
    return large.filter(ImageFilter.GaussianBlur(blur)).resize(size, Image.Resampling.BOX)


def said(mask: Image.Image, confidence: float = SURE) -> list[str]:
    return review.reasons(review.judge(mask, confidence))


MIDDLE = (250, 150, 550, 450)


def test_a_clean_cut_out_needs_nobody() -> None:
    assert said(disc(MIDDLE)) == []


def test_what_is_seen_can_be_kept_as_json() -> None:
    seen = review.judge(disc(MIDDLE), SURE)
    assert json.loads(json.dumps(seen)) == seen


@pytest.mark.parametrize("size", [(160, 120), (400, 300), (2400, 1800)])
def test_the_size_of_the_photo_makes_no_difference(size: tuple[int, int]) -> None:
    """Half of the edge is soft."""
    mask = disc(MIDDLE)
    mask.paste(disc(MIDDLE, blur=25).crop((400, 0, 800, 600)), (400, 0))
    large, small = review.judge(mask, SURE), review.judge(mask.resize(size), SURE)
    assert small["unsure"] == pytest.approx(large["unsure"], abs=0.1)
    assert small["subject"] == pytest.approx(large["subject"], abs=0.01)
    assert small["border"] == large["border"]


def test_a_soft_edge_is_told_with_its_share() -> None:
    assert said(disc(MIDDLE, blur=30)) == ["100% of the edge is unsure."]


def test_a_ghost_beside_the_subject_is_an_unsure_edge() -> None:
    mask = disc(MIDDLE)
    mask.paste(90, (20, 20, 200, 580))
    assert review.judge(mask, SURE)["unsure"] > review.MOST_UNSURE


@pytest.mark.parametrize(
    ("box", "sentence"),
    [
        ((-150, 150, 350, 450), "The subject touches the left border."),
        ((250, -150, 550, 350), "The subject touches the top border."),
        ((500, 150, 950, 450), "The subject touches the right border."),
        ((-150, 150, 950, 450), "The subject touches the left and right borders."),
        ((-100, -100, 900, 400), "The subject touches the left, top and right borders."),
    ],
)
def test_a_subject_that_runs_out_of_the_frame_is_told(box: tuple[int, int, int, int], sentence: str) -> None:
    assert said(disc(box)) == [sentence]


def test_a_portrait_runs_out_below_and_nobody_minds() -> None:
    head, shoulders = (300, 100, 500, 350), (-50, 420, 850, 900)
    assert said(disc(head, (320, 250, 480, 600), shoulders)) == []


@pytest.mark.parametrize(
    ("box", "share"),
    [((380, 280, 420, 320), "less than 1%"), ((350, 250, 450, 350), "1%"), ((-400, -300, 1200, 900), "100%")],
)
def test_a_subject_that_is_hardly_there_or_everything_is_told(box: tuple[int, int, int, int], share: str) -> None:
    assert said(disc(box))[0] == f"The subject fills {share} of the frame."


def test_two_parts_are_a_pair_and_three_are_told() -> None:
    left, middle, right = (100, 200, 250, 400), (325, 200, 475, 400), (550, 200, 700, 400)
    assert said(disc(left, right)) == []
    assert said(disc(left, middle, right)) == ["3 loose parts."]


def test_crumbs_are_no_parts() -> None:
    crumbs = [(20 + 40 * number, 20, 30 + 40 * number, 30) for number in range(10)]
    assert review.judge(disc(MIDDLE, *crumbs), SURE)["parts"] == 1


def test_a_model_that_doubts_comes_first() -> None:
    assert said(disc(MIDDLE, blur=30), 0.7) == ["No clear subject.", "100% of the edge is unsure."]


@pytest.mark.weights
@pytest.mark.skipif(not SAMPLES.is_dir(), reason="rembg's own test photos are not on this machine")
@pytest.mark.parametrize(
    ("name", "sentences"),
    [("anime-girl-1", 0), ("car-1", 0), ("cloth-1", 0), ("plants-1", 1)],
)
def test_real_cut_outs_are_judged_as_people_would(name: str, sentences: int) -> None:
    photo = Image.open(SAMPLES / f"{name}.jpg").convert("RGB")
    assert len(said(*background.mask_of(photo, "u2netp"))) == sentences


@pytest.mark.weights
def test_a_cats_lost_whiskers_and_cut_ears_are_told(cat: Image.Image) -> None:
    edge, border = said(*background.mask_of(cat, "u2netp"))
    assert edge.endswith("% of the edge is unsure.")
    assert border == "The subject touches the top border."
