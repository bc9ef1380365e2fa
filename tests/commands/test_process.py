"""manage.py process, as a person types it."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from processing.management.commands.process import find, named
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
    flags = ["--model", "u2netp", "--format", "webp"]
    call_command("process", folder / "a.jpg", "--out", folder, *flags, stdout=StringIO())
    with Image.open(folder / "a (2).webp") as made:  # the name of the photo itself is not given away
        assert (made.format, made.mode) == ("WEBP", "RGBA")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--quality", "300"], "^quality: Input should be less than or equal to 100$"),
        (["--model", "nonesuch"], "invalid choice: 'nonesuch'"),
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
    names = [name for _, name in named(photos, tmp_path / "out")]
    assert names == ["a", "a (2)", "a (3)", "a (2) (2)", "B", "b (2)"]
