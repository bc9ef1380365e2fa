"""The examples do what they say, as somebody would run them, against a running server."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image

from processing.errors import KINDS
from tests.environment import ROOT
from tests.house import House

EXAMPLES = ROOT / "examples"
pytestmark = [pytest.mark.weights, pytest.mark.any_database, pytest.mark.xdist_group("examples")]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("examples"), PHOTO_WORKERS="2")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def program(house: House) -> dict[str, str]:
    """The environment of a program that has a token."""
    make = [sys.executable, "manage.py", "token", "make", "admin", "Examples", "--scope", "read", "--scope", "write"]
    secret = run(house.env, ROOT, *make)
    return {**os.environ, "PHOTO_URL": house.url, "PHOTO_TOKEN": secret.strip()}


def run(env: dict[str, str], folder: Path, *words: object, code: int = 0) -> str:
    """What it says: on stdout, or on stderr where it is to end with another code."""
    line = [str(word) for word in words]
    done = subprocess.run(line, check=False, cwd=folder, env=env, capture_output=True, text=True, timeout=150)
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done.stderr if code else done.stdout


def mode(file: Path) -> str:
    with Image.open(file) as image:
        return image.mode


def test_the_workflow_sends_one_many_and_a_zip_and_all_pass(program: dict[str, str], tmp_path: Path) -> None:
    said = run(program, tmp_path, sys.executable, EXAMPLES / "workflow.py", "--set", "model=u2netp")
    assert re.findall(r"^(\w+) .*?(PASSED|FAILED)$", said, re.MULTILINE) == [
        ("single", "PASSED"), ("many", "PASSED"), ("ZIP", "PASSED"),
    ]  # fmt: skip
    assert len(list((tmp_path / "results" / "many").iterdir())) == 3
    assert mode(tmp_path / "results" / "single" / "astronaut.png") == "RGBA"


def test_the_workflow_says_what_went_wrong(program: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no photo")
    said = run(program, tmp_path, sys.executable, EXAMPLES / "workflow.py", tmp_path / "notes.txt", code=1)
    assert "Unsupported image format" in said


def test_a_photo_comes_back_cut_out(program: dict[str, str], tmp_path: Path) -> None:
    photo = shutil.copy(EXAMPLES / "cup.jpg", tmp_path)
    said = run(program, tmp_path, sys.executable, EXAMPLES / "send.py", photo)
    assert mode(Path(said.strip())) == "RGBA"


def test_curl_is_enough(program: dict[str, str], tmp_path: Path) -> None:
    photo = shutil.copy(EXAMPLES / "cup.jpg", tmp_path)
    assert run(program, tmp_path, EXAMPLES / "send.sh", photo, photo).split() == ["cut-out.png", "results.zip"]
    assert mode(tmp_path / "cut-out.png") == "RGBA"
    with ZipFile(tmp_path / "results.zip") as archive:
        assert sorted(archive.namelist()) == ["cup (2).png", "cup.png", "manifest.csv"]


def test_the_codes_that_the_help_names_are_codes() -> None:
    rows = re.findall(r"^\| (?:\d{3} )?(`.*?) \|", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE)
    named = {code for row in rows for code in re.findall(r"`([a-z0-9_]+)`", row)}
    assert len(named) > 20
    assert named <= set(KINDS)
