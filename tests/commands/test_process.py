"""manage.py process, as a person types it."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from PIL import Image, ImageDraw

from processing.management.commands.process import find, named
from processing.recipe import Recipe, group_of
from tests.conftest import picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photos of one name, a note, and a letter that calls itself a photo."""
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for name in ("a.jpg", "more/A.jpg"):
        (tmp_path / "photos" / name).write_bytes(picture())
    (tmp_path / "photos" / "letter.jpg").write_text("Dear Sir")
    (tmp_path / "photos" / "notes.txt").write_text("Dear diary")
    return tmp_path / "photos"


def test_what_works_is_made_and_what_fails_is_named(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out, said = folder / "out", StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("process", folder, "--out", out, "--no-remove-bg", "--format", "png", stdout=said)
    assert ended.value.code == 1
    assert {file.name for file in out.iterdir()} == {"a.png", "A (2).png"}
    assert said.getvalue().startswith("3 photos in ")
    assert said.getvalue().endswith(": 2 made, 1 failed.\n")
    assert "letter.jpg: invalid_file_type: Unsupported image format: text." in capfd.readouterr().err


@pytest.mark.weights
def test_the_flags_are_the_recipes_own(folder: Path) -> None:
    ball = Image.new("RGB", (320, 240), "white")
    ImageDraw.Draw(ball).ellipse((90, 50, 230, 190), "crimson")
    ball.save(folder / "a.jpg")
    flags = ["--model", "u2netp", "--format", "webp"]
    call_command("process", folder / "a.jpg", "--out", folder, *flags, stdout=StringIO())
    with Image.open(folder / "a (2).webp") as made:  # the name of the photo itself is not given away
        assert (made.format, made.mode) == ("WEBP", "RGBA")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--quality", "300"], "^quality: That is too much: 100 at most.$"),
        (["--model", "nonesuch"], "invalid choice: 'nonesuch'"),
        (["--max-bytes", "much"], "^max_bytes: A size is a number of bytes, kB or MB: 300 kB, 1.2 MB.$"),
        (["--size", "x", "--padding", "wide"], "^padding: A margin is .*\nsize: A size is "),
        (["--background", f"image:{'0' * 64}"], "name its file with --background-image"),
        (["--background-image", __file__], "Unsupported image format: text"),
        (["--background-image", "nowhere.jpg"], "^nowhere.jpg cannot be read: No such file or directory.$"),
        (["--recipe", "nowhere.json"], "^nowhere.json cannot be read as JSON.$"),
        (["--recipe", __file__], "cannot be read as JSON"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_before_any_work(folder: Path, flags: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("process", folder, "--out", folder / "out", *flags)
    assert not (folder / "out").exists()


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"There is no .*nowhere"):
        call_command("process", tmp_path / "nowhere", "--out", tmp_path, "--no-remove-bg")


def test_earlier_results_are_not_taken_for_photos(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "a.png").write_bytes(picture(format="PNG"))
    assert [file.name for file in find([folder], folder / "out")] == ["a.jpg", "letter.jpg", "A.jpg"]


def test_names_never_collide(tmp_path: Path) -> None:
    photos = [tmp_path / name for name in ("a.jpg", "a.png", "x/a.jpg", "x/a (2).jpg", "B.jpg", "x/b.jpg", "a.jpg")]
    names = [name for _, name in named(photos, tmp_path / "out", Recipe())]
    assert names == ["a", "a (2)", "a (3)", "a (2) (2)", "B", "b (2)"]


def test_names_leave_room_for_further_results(tmp_path: Path) -> None:
    photos = [
        tmp_path / name
        for name in ("a.jpg", "a-2.jpg", "b-web.jpg", "b.jpg", "c-2-web.jpg", "c.jpg", "d-3.jpg", "d-4.jpg")
    ]
    several = Recipe(crop_face=True, face_policy="all", variants=("web",))
    names = [name for _, name in named(photos, tmp_path / "out", several)]
    assert names == ["a", "a-2 (2)", "b-web", "b (2)", "c-2-web", "c (2)", "d-3", "d-4"]
    assert [name for _, name in named(photos, tmp_path / "out", Recipe(variants=()))] == [
        photo.stem for photo in photos
    ]


def test_every_field_of_a_recipe_is_a_flag_under_its_heading(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("process", "--help")
    said = capsys.readouterr().out
    assert [name for name in Recipe.model_fields if f"--{name.replace('_', '-')}" not in said] == []
    assert all(f"\n{group_of(name)}:\n" in said for name in Recipe.model_fields)


def test_extra_sizes_are_written_when_asked_for(folder: Path) -> None:
    flags = ["--no-remove-bg", "--format", "jpg", "--variants", "small,hero:40x40,results:30x30"]
    call_command("process", folder / "a.jpg", "--out", folder / "out", *flags, stdout=StringIO())
    made = {file.name for file in (folder / "out").iterdir()}
    assert made == {"a.jpg", "a-small.webp", "a-hero.webp", "a-results.webp"}


def test_a_recipe_from_a_file_is_overridden_by_flags(folder: Path) -> None:
    recipe = Recipe(remove_bg=False, format="webp", size="40x")  # with the variants that a job has
    (folder / "recipe.json").write_text(json.dumps(recipe.to_json()))
    flags = ["--recipe", str(folder / "recipe.json"), "--format", "png"]
    call_command("process", folder / "a.jpg", "--out", folder / "out", *flags, stdout=StringIO())
    with Image.open(folder / "out" / "a.png") as made:
        assert made.width == 40
    assert [file.name for file in (folder / "out").iterdir()] == ["a.png"]


def test_a_field_that_no_recipe_has_is_named(folder: Path) -> None:
    (folder / "recipe.json").write_text('{"sparkle": true, "quality": 0}')
    flags = ["--recipe", str(folder / "recipe.json")]
    with pytest.raises(CommandError, match=r"^quality: .* 1 at least.\nsparkle: There is no such field.$"):
        call_command("process", folder, "--out", folder / "out", *flags)


def test_a_background_lies_behind_the_photo(folder: Path) -> None:
    (folder / "wall.jpg").write_bytes(picture(90, 90, colour="navy"))
    flags = ["--no-remove-bg", "--format", "png", "--size", "200x60", "--fit", "pad"]
    flags += ["--background-image", str(folder / "wall.jpg")]
    call_command("process", folder / "a.jpg", "--out", folder / "out", *flags, stdout=StringIO())
    with Image.open(folder / "out" / "a.png") as made:
        red, green, blue = made.convert("RGB").getpixel((3, 30))
    assert max(red, green, abs(blue - 128)) < 8
