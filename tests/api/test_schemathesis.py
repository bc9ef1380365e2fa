"""A live server is asked whatever its document allows, and whatever it does not: nothing breaks, and every answer is
one that the document tells of.

`PHOTO_SCHEMATHESIS=100` asks a hundred times of each operation, follows what the answers lead to, and takes its time.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import environment
from tests.conftest import picture
from tests.house import House

LONG = int(os.environ.get("PHOTO_SCHEMATHESIS", "0"))
# Not asked: that all is taken which fits a schema (a cursor is taken where it was given out, an address where it may be
# called), and that what nearly fits is refused (0 counts as false).
NOT_ASKED = "positive_data_acceptance,negative_data_rejection"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    rate = "100000/second"
    made = House(tmp_path_factory.mktemp("asked"), PHOTO_API_RATE=rate, PHOTO_STRANGER_RATE=rate, PHOTO_WORKERS="1")
    yield made
    made.stop()


def token(house: House) -> str:
    """With all scopes. (`manage.py token` prints it last.)"""
    command = ["manage.py", "token", "make", "admin", "Asks", "--scope", "read", "--scope", "write", "--scope", "queue"]
    made = subprocess.run(
        [sys.executable, *command], env=house.env, cwd=environment.ROOT, capture_output=True, check=True
    )
    return made.stdout.decode().split()[-1]


def fill(house: House, headers: dict[str, str]) -> None:
    """A job of photos and a product CSV, so that something is found."""
    csv = b"S. No.,Product Name,Input Image Urls\r\n1,Chair,https://img.invalid/1.jpg\r\n"
    photos = [("files", (f"{number}.jpg", picture(width=80 + number))) for number in range(3)]
    for files in (photos, [("files", ("spring.csv", csv))]):
        fields = {"remove_bg": "false"} if files is photos else {"preflight": "true"}
        answer = httpx.post(f"{house.url}/api/v1/jobs", headers=headers, data=fields, files=files)
        assert answer.status_code == 202, answer.text


@pytest.mark.weights
@pytest.mark.timeout(120 + 60 * LONG)
def test_every_answer_is_one_that_the_document_tells_of(house: House, tmp_path: Path) -> None:
    secret = token(house)
    fill(house, {"Authorization": f"Bearer {secret}"})
    phases = "examples,coverage,fuzzing,stateful" if LONG else "examples,fuzzing"
    asked = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"), "run", f"{house.url}/api/v1/openapi.json",
            "--header", f"Authorization: Bearer {secret}", "--phases", phases, "--max-examples", str(LONG or 2),
            "--seed", "7", "--exclude-checks", NOT_ASKED, "--continue-on-failure", "--no-shrink",
            "--exclude-operation-id", "revoke_token",  # it would revoke the one that it asks with
        ],
        check=False, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stdout
    assert "ERROR" not in house.log.read_text()
