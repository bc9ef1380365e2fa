"""The key that all machines sign with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import DatabaseError

from photoproc import secret_key
from processing.models import Remembered
from tests.environment import ROOT


def test_a_house_of_its_own_keeps_it_in_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    made = secret_key.of(tmp_path / "key", shared=False)
    assert len(made) > 50
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert secret_key.of(tmp_path / "key", shared=False) == made


def test_machines_share_the_one_in_their_database(transactional_db: None, tmp_path: Path) -> None:
    for name in ("one", "two"):
        secret_key.settle(tmp_path / name / "key")
    one, two = (str(secret_key.of(tmp_path / name / "key", shared=True)) for name in ("one", "two"))
    assert one == two == Remembered.objects.get(name="secret_key").value
    assert len(one) > 50
    assert not list(tmp_path.iterdir())


def test_the_machine_that_migrates_takes_over_the_key_of_a_house_that_grows(
    transactional_db: None, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("what signed the links that people have\n")
    secret_key.settle(tmp_path / "key")
    assert str(secret_key.of(tmp_path / "none", shared=True)) == "what signed the links that people have"


def test_no_other_machine_makes_one_or_gives_its_own(transactional_db: None, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("of another house that was tried here\n")
    lazy = secret_key.of(tmp_path / "key", shared=True)
    with pytest.raises(DatabaseError, match=r"no secret key yet: run script/server or script/setup first\.$"):
        str(lazy)
    assert not Remembered.objects.exists()
    secret_key.settle(tmp_path / "none")
    secret_key.settle(tmp_path / "key")
    assert str(lazy) == Remembered.objects.get(name="secret_key").value != "of another house that was tried here"


def test_to_import_all_that_the_web_process_needs_no_database_is_asked(tmp_path: Path) -> None:
    env = {**os.environ, "PHOTO_DATA_DIR": str(tmp_path), "DATABASE_URL": "postgres://a:b@127.0.0.1:1/none"}
    code = "import photoproc.asgi, photoproc.urls, processing.web.urls; print('here')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("here\n"), done.stderr
    assert not (tmp_path / "secret_key").exists()
