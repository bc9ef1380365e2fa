"""docs/backup.md: what it tells people to type, typed in a small house that loses everything."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import postgres
from tests.environment import ROOT
from tests.pictures import picture

MADE = """
from django.core.management import call_command
for command in (["migrate"], ["first_user"], ["adopt", "photos", "--owner", "admin"]):
    call_command(*command, verbosity=0)
"""
SEEN = """
from django.contrib.auth.models import User
from django.test import Client
client = Client()
client.force_login(User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
for pk in (1, 2):
    answer = client.get(f"/api/v1/uploads/{pk}/result", follow=True)
    print(answer.status_code, answer["Content-Type"])
"""

pytestmark = pytest.mark.skipif(not shutil.which("rsync"), reason="there is no rsync")


def commands(words: str) -> str:
    """The one block of commands in which these words stand."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/backup.md").read_text(), re.DOTALL)
    (found,) = (block for block in blocks if words in block)
    return str(found)


class SmallHouse:
    """A database and files, without any process: the folder that the page speaks of."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder, self.data = folder, folder / "var"
        self.env = {**os.environ, "PHOTO_DATA_DIR": str(self.data), "PHOTO_URL": "http://testserver", **settings}
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "manage.py").symlink_to(ROOT / "manage.py")
        (folder / "photos").mkdir()
        for name in ("cup", "plate"):
            (folder / "photos" / f"{name}.jpg").write_bytes(picture())
        self.python(MADE)

    def run(self, script: str) -> str:
        """In its folder, with the page's two names."""
        script = f"set -eu; data='{self.data}' to='{self.folder}/backup'\n{script}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, code: str) -> str:
        return self.run(f".venv/bin/python manage.py shell --verbosity 0 --command '{code}'")

    def look(self) -> None:
        """Every row has its file, and each photo opens."""
        assert "0 files missing" in self.run(commands("doctor --files\n"))
        assert self.python(SEEN).splitlines() == ["200 image/jpeg"] * 2


def test_a_house_on_one_disk_comes_back_from_its_backup(tmp_path: Path) -> None:
    house = SmallHouse(tmp_path)
    files = commands("--exclude='*.part'")
    house.run("\n".join([files, commands("VACUUM INTO"), files]))
    key = (house.data / "secret_key").read_text()
    house.run(commands("-mindepth 1"))
    assert [place.name for place in house.data.iterdir()] == ["before"]
    house.run(commands('"$to/files/" "$data/files/"') + commands('cp "$(ls'))
    assert (house.data / "secret_key").read_text() == key
    house.look()


def test_a_house_on_postgresql_comes_back_from_its_backup(tmp_path: Path) -> None:
    if not postgres.programs() or not shutil.which("pg_dump"):
        pytest.skip("there is no PostgreSQL")
    server = postgres.start(tmp_path)
    try:
        house = SmallHouse(tmp_path, DATABASE_URL=server.url)
        files = commands("--exclude='*.part'")
        house.run("\n".join([files, commands("pg_dump"), files]))
        house.run(commands("-mindepth 1"))
        house.env["DATABASE_URL"] = server.database("restored")
        house.run(commands('"$to/files/" "$data/files/"') + commands("pg_restore"))
        house.look()
    finally:
        server.stop()
