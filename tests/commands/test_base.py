"""Commands without a database: one sentence."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from processing import queue
from tests import environment


def missing(*_: object) -> Any:
    raise OperationalError("no such table: auth_user")


def empty(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
    """A database that answers, and has no tables."""
    return execute(sql, *rest) if sql.startswith(("PRAGMA user_version", "SELECT current_setting")) else missing()


def test_elsewhere_a_command_says_where_it_looked(tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "token", "list"]
    env = {**os.environ, "DATABASE_URL": "", "PHOTO_DATA_DIR": str(tmp_path / "var")}
    done = subprocess.run(command, cwd=environment.ROOT, env=env, capture_output=True, text=True, check=False)
    said = f"CommandError: There is no database in {tmp_path / 'var'}. Is PHOTO_DATA_DIR set as for the server?\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


@pytest.mark.parametrize("command", [["first_user"], ["import_products", __file__], ["token", "make", "alice", "Shop"]])
def test_each_that_works_on_what_a_server_keeps_says_so(command: list[str], db: None) -> None:
    with connection.execute_wrapper(empty), pytest.raises(CommandError) as caught:
        call_command(*command)
    assert str(caught.value).startswith("There is no database in ")


def test_a_database_and_a_redis_out_of_reach_are_told_in_a_sentence(
    db: None, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    with connection.execute_wrapper(missing), pytest.raises(CommandError, match="The database cannot be used at "):
        call_command("token", "list")
    settings.REDIS_URL = "redis://:geheim@127.0.0.1:1/0"
    monkeypatch.setattr("processing.management.commands.token.Command.handle", lambda *_, **__: queue.ping())
    with pytest.raises(CommandError, match=r"Redis cannot be used at 127\.0\.0\.1:1/0"):
        call_command("token", "list")


def test_another_mistake_of_the_database_is_not_hidden(alice: User) -> None:
    wrong = connection.execute_wrapper(
        lambda execute, sql, *rest: missing() if "auth_user" in sql else execute(sql, *rest)
    )
    with wrong, pytest.raises(OperationalError):
        call_command("token", "make", "alice", "Shop")
