"""docs/settings.md and .env.example name what photoproc/settings.py reads, and nothing else."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeGuard

import pytest

from photoproc.addresses import database_address, redis_address
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


def words(folder: Path, env_file: str, code: str, **environment: str) -> list[str]:
    """What this code says, as a word each, in a copy of the settings beside which such a file lies."""
    shutil.copytree(ROOT / "photoproc", folder / "photoproc")
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=lambda *_: set(os.listdir(ROOT / "tests")) - COPIED)
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / ".env").write_text(env_file)
    read = {name: value for name, value in os.environ.items() if name != "PYTHON_DOTENV_DISABLED"} | environment
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=read, capture_output=True, text=True, check=True).stdout.split()


COPIED = {"__init__.py", "environment.py"}


def test_a_line_of_the_env_file_reaches_libraries_too_and_the_environment_wins(tmp_path: Path) -> None:
    lines = "AWS_ACCESS_KEY_ID=of-the-file\nPHOTO_ATTEMPTS=7\nPORT=8001\n"
    code = "import os; from photoproc import settings as s; print(os.environ['AWS_ACCESS_KEY_ID'], s.ATTEMPTS, s.PORT)"
    assert words(tmp_path, lines, code, PORT="8002") == ["of-the-file", "7", "8002"]


def test_no_place_of_a_house_in_use_reaches_the_tests(tmp_path: Path) -> None:
    lines = "STORAGE_URL=s3://in-use\nDATABASE_URL=postgres://a:b@in-use/in-use\nREDIS_URL=redis://in-use\n"
    code = (
        "import tests.environment; from photoproc import settings as s;"
        "print(s.STORAGE, s.DATABASES['default']['ENGINE'], s.REDIS_URL)"
    )
    storage, database, redis = words(tmp_path, lines, code, S3_BUCKET_NAME="in-use", AWS_REGION="in-use")
    assert (storage, database, redis[:5]) == ("None", "django.db.backends.sqlite3", "unix:")


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


FORMS = {
    "DATABASE_URL": {
        "nonsense": "must begin with", "mysql://db/photo": "must begin with", "postgres://db/": "must name a database",
        "postgres://a:b@db:port/photo": "its port is a number", "postgres://a:b@c/d@db/photo": "are written as %2F",
    },
    "REDIS_URL": {
        "nonsense": "must begin with", "foo://redis": "must begin with", "redis://redis:port": "must begin with",
        "redis:///0": "must begin with", "redis://redis/name": "must begin with", "unix://": "must begin with",
    },
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in FORMS.items() for value in values])
def test_an_address_of_a_wrong_form_is_told_with_an_example(name: str, value: str) -> None:
    judges: dict[str, Callable[[str], object]] = {"DATABASE_URL": database_address, "REDIS_URL": redis_address}
    with pytest.raises(ValueError, match=f"^{name} .*{FORMS[name][value]}.* An example: "):
        judges[name](value)


def test_options_of_redis_are_added_where_it_has_none_of_its_own() -> None:
    assert redis_address("redis://r:1/0", socket_timeout="5") == "redis://r:1/0?socket_timeout=5"
    assert redis_address("unix:///r.sock?db=1", socket_timeout="5") == "unix:///r.sock?db=1&socket_timeout=5"
    assert redis_address("rediss://r?socket_timeout=9", socket_timeout="5") == "rediss://r?socket_timeout=9"


@pytest.mark.parametrize("command", [["manage.py", "doctor"], ["-m", "uvicorn", "photoproc.asgi:application"]])
def test_settings_that_cannot_be_used_end_every_process_with_a_sentence(command: list[str]) -> None:
    env = {**os.environ, "DATABASE_URL": "nonsense"}
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("The settings cannot be used: DATABASE_URL must begin with ")
    assert done.stderr.count("\n") == 1
