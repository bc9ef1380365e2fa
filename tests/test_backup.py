"""docs/backup.md: what it tells people to type, typed in a small house that loses everything."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import bucket as buckets
from tests import postgres
from tests.environment import ROOT
from tests.pictures import picture

MADE = """
from django.core.management import call_command
from processing import schema
schema.migrate()
call_command("first_user")
call_command("adopt", "photos", "--owner", "admin")
"""
# One start for both: it takes seconds.
SEEN = """
from hashlib import sha256
from urllib.request import urlopen
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
client = Client()
client.force_login(User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
for pk in (1, 2):
    answer = client.get(f"/api/v1/uploads/{pk}/result")
    data = urlopen(answer["Location"]).read() if answer.status_code == 302 else b"".join(answer)
    print(sha256(data).hexdigest())
call_command(*"COMMAND".split())
"""
PHOTO = picture()

pytestmark = pytest.mark.skipif(not shutil.which("rsync"), reason="there is no rsync")


def commands(words: str) -> str:
    """The one block of commands in which these words stand."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/backup.md").read_text(), re.DOTALL)
    (found,) = (block for block in blocks if words in block)
    return str(found)


class SmallHouse:
    """A database and files, without any process: the folder that the page speaks of."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder, self.data, self.names = folder, folder / "var", ""
        own = {"PHOTO_DATA_DIR": str(self.data), "PHOTO_URL": "http://testserver", "DATABASE_URL": "", "SECRET_KEY": ""}
        self.env = {**os.environ, **own, **settings}
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "manage.py").symlink_to(ROOT / "manage.py")
        (folder / "photos").mkdir()
        for name in ("cup", "plate"):
            (folder / "photos" / f"{name}.jpg").write_bytes(PHOTO)
        self.python(MADE)

    def run(self, script: str) -> str:
        """In its folder, with the names that the page gives to its places."""
        script = f"set -eu; data='{self.data}' to='{self.folder}/backup' {self.names}\n{script}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, code: str) -> str:
        return self.run(f".venv/bin/python manage.py shell --verbosity 0 --command '{code}'")

    def look(self) -> None:
        """Each photo opens, and every row has its file."""
        typed = commands("doctor --files\n").split()
        assert typed[:2] == [".venv/bin/python", "manage.py"]
        said = self.python(SEEN.replace("COMMAND", " ".join(typed[2:]))).splitlines()
        assert said[:2] == [hashlib.sha256(PHOTO).hexdigest()] * 2
        assert said[2].startswith("0 files missing")


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


@pytest.mark.skipif(not shutil.which("aws"), reason="there is no aws")
@pytest.mark.skipif(not (postgres.programs() and shutil.which("pg_dump")), reason="there is no PostgreSQL")
def test_a_house_on_postgresql_and_a_bucket_comes_back_from_its_backup(
    tmp_path: Path, bucket_process: buckets.Bucket
) -> None:
    server, bucket = postgres.start(tmp_path), bucket_process.fresh()
    try:
        house = SmallHouse(
            tmp_path, DATABASE_URL=server.url, STORAGE_URL=bucket.url,
            AWS_ACCESS_KEY_ID=buckets.KEY, AWS_SECRET_ACCESS_KEY=buckets.SECRET,
        )  # fmt: skip
        house.names = f"bucket=s3://{bucket.name}/house store='--region us-east-1 --endpoint-url {bucket.endpoint}'"
        files = commands('"$bucket" "$to/files"')
        house.run("\n".join([files, commands("pg_dump"), files]))
        bucket.vanish()
        bucket.client.create_bucket(Bucket=bucket.name)
        house.run(commands("-mindepth 1"))
        house.env["DATABASE_URL"] = server.database("restored")
        house.run(commands('"$to/files" "$bucket"') + commands("pg_restore"))
        house.look()
    finally:
        server.stop()
