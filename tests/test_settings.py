"""docs/settings.md and .env.example name what photoproc/settings.py reads, and nothing else."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TypeGuard

import pytest

from tests.environment import ROOT

READ_ELSEWHERE = {"PHOTO_ADMIN_PASSWORD", "U2NET_HOME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def read_by_settings() -> dict[str, ast.expr]:
    """The name and default of each env.xxx("NAME", default) in settings.py."""
    calls = [node for node in ast.walk(ast.parse((ROOT / "photoproc/settings.py").read_text())) if is_reader(node)]
    return {ast.literal_eval(call.args[0]): call.args[1] for call in calls}


def is_reader(node: ast.AST) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "env"
    )


def table() -> dict[str, str]:
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| (.+?) \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    assert len(dict(rows)) == len(rows), "a setting is listed twice"
    return dict(rows)


def test_the_table_names_every_setting_and_no_other() -> None:
    assert set(table()) == set(read_by_settings()) | READ_ELSEWHERE


def test_the_example_names_every_setting_and_no_other() -> None:
    names = re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(names) == sorted(set(read_by_settings()) | READ_ELSEWHERE)


def test_the_table_tells_the_plain_defaults() -> None:
    plain = {name: node.value for name, node in read_by_settings().items() if isinstance(node, ast.Constant)}
    told = table()
    for name, value in plain.items():
        if value != "":
            assert told[name] == f"`{json.dumps(value) if isinstance(value, bool | int) else value!s}`", name


def test_every_number_has_bounds() -> None:
    assert re.findall(r"\benv\.(?:int|float)\(", (ROOT / "photoproc/settings.py").read_text()) == []


def test_a_line_of_the_env_file_reaches_libraries_too_and_the_environment_wins(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "photoproc", tmp_path / "photoproc")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / ".env").write_text("AWS_ACCESS_KEY_ID=of-the-file\nPHOTO_WORKERS=7\nPORT=8001\n")
    code = "import os; from photoproc import settings as s; print(os.environ['AWS_ACCESS_KEY_ID'], s.WORKERS, s.PORT)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PORT": "8002"}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["of-the-file", "7", "8002"]


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [
        ("PHOTO_KEEP_JOBS_DAYS", "-3", 0),
        ("PHOTO_BREAKER_FAILURES", "0", 1),
        ("PHOTO_INVITATION_DAYS", "1" + "0" * 30, 1),
    ],
)
def test_a_number_that_cannot_be_stops_each_command_with_one_sentence(name: str, value: str, least: int) -> None:
    command = [sys.executable, "manage.py", "sweep", "--dry-run"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {name: value}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    said = rf"The settings cannot be used: {name} must be a number from {least} to \d+, not {value}\.\n"
    assert re.fullmatch(said, done.stderr)


@pytest.mark.parametrize(("more", "bucket"), [("", " https://minio.example.com"), ("&direct=false", "")])
def test_the_policy_of_pages_knows_the_bucket_that_people_reach(more: str, bucket: str, tmp_path: Path) -> None:
    url = f"s3://photos/house?endpoint=https://minio.example.com/s3{more}"
    code = (
        "from photoproc import settings as s; policy = s.CONTENT_SECURITY_POLICY['DIRECTIVES']; "
        "print({name: ' '.join(policy[name]) for name in ('img-src', 'connect-src', 'script-src')})"
    )
    env = os.environ | {"STORAGE_URL": url, "PHOTO_DATA_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == {
        "img-src": f"'self' blob:{bucket}", "connect-src": f"'self'{bucket}", "script-src": "'self'",
    }  # fmt: skip
