"""The whole way of a photo."""

import json

import pytest
from PIL import Image

from processing.errors import PhotoError
from processing.pipeline.run import run
from processing.recipe import Recipe

from .conftest import LIMITS, corners, file, opened

PLAIN = Recipe(remove_bg=False)


def steps_of(source: bytes, recipe: Recipe) -> list[tuple[str, int, int]]:
    seen: list[tuple[str, int, int]] = []
    run(source, recipe, lambda *step: seen.append(step), limits=LIMITS)
    return seen


@pytest.mark.weights
def test_each_step_is_announced_in_order(astronaut: Image.Image) -> None:
    assert steps_of(file(astronaut), Recipe(model="u2netp", crop_face=True)) == [
        ("Reading", 0, 6),
        ("Removing background", 1, 6),
        ("Refining the edges", 2, 6),
        ("Finding the face", 3, 6),
        ("Writing PNG", 4, 6),
        ("Making extra sizes", 5, 6),
    ]


def test_steps_that_nobody_asked_for_are_skipped() -> None:
    assert steps_of(file(corners()), Recipe(remove_bg=False, variants=())) == [
        ("Reading", 0, 2),
        ("Writing JPEG", 1, 2),
    ]


def test_the_files_are_the_result_and_its_small_pictures(astronaut: Image.Image) -> None:
    made = {one.name: one for one in run(file(astronaut.resize((1600, 1200))), PLAIN, limits=LIMITS).files}
    assert list(made) == ["result", "thumbnail", "preview", "source-preview"]
    assert [one.width for one in made.values()] == [1600, 320, 1024, 1024]
    for one in made.values():
        assert opened(one.data).size == (one.width, one.height)


@pytest.mark.weights
def test_the_facts_say_what_was_done(astronaut: Image.Image) -> None:
    facts = run(file(astronaut, "JPEG"), Recipe(model="u2netp", crop_face=True), limits=LIMITS).facts
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["source_format"], facts["source_width"]) == ("jpeg", 512)
    assert (facts["model"], facts["model_checksum"][:12], facts["faces"]) == ("u2netp", "309c8469258d", 1)
    assert facts["result_format"] == "png"
    assert list(facts["timings"]) == ["read", "background", "refine", "face", "write", "variants"]


@pytest.mark.weights
def test_the_headshot_is_cut_from_the_subject(astronaut: Image.Image) -> None:
    result = opened(run(file(astronaut), Recipe(model="u2netp", crop_face=True), limits=LIMITS).files[0].data)
    assert result.width < result.height < 512
    assert result.getpixel((5, 5))[3] < 30
    assert result.getpixel((result.width // 2, result.height // 2))[3] > 240


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (b"a letter called photo.jpg", "invalid_file_type"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "invalid_file_type"),
        (b"", "failed_to_read_image"),
        (file(corners(), "JPEG")[:-200], "failed_to_read_image"),
        (file(Image.new("1", (20_000, 20_000))), "resolution_too_high"),
        (file(Image.new("1", (20, 20))), "image_too_small"),
    ],
    ids=["text", "svg", "empty", "truncated", "bomb", "tiny"],
)
def test_hostile_files_end_in_a_code_of_their_own(source: bytes, code: str) -> None:
    with pytest.raises(PhotoError) as caught:
        run(source, PLAIN, limits=LIMITS)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "trouble",
    [
        MemoryError(),
        RuntimeError("OpenCV(4.14.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 48000000 bytes"),
        RuntimeError("Conversion to YUV failed: Out of memory"),
        ValueError("encoding error 1"),
    ],
    ids=["Python", "OpenCV", "AVIF", "WEBP"],
)
def test_memory_that_runs_out_can_be_tried_again(trouble: Exception) -> None:
    def exhausted(*step: object) -> None:
        raise trouble

    with pytest.raises(PhotoError) as caught:
        run(file(corners()), PLAIN, exhausted, limits=LIMITS)
    assert (caught.value.code, caught.value.transient) == ("out_of_memory", True)


def test_whoever_is_told_of_a_step_can_stop_the_work() -> None:
    class Stopped(Exception):
        pass

    def stop(label: str, done: int, total: int) -> None:
        if done:
            raise Stopped

    with pytest.raises(Stopped):
        run(file(corners()), PLAIN, stop, limits=LIMITS)
