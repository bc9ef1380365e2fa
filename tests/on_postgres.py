"""A pytest plugin: the tests that touch the database run on PostgreSQL. `script/test --postgres` uses it.

Those that never touch it are left out, as they run on SQLite already. So are journeys of a browser that show how pages
look and behave rather than what is written down, and the whole houses of which a test harms or asks something else than
the database (the mark `any_database`): what they write goes through the same code as that of the tests that run here.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests import environment, postgres
from tests.house import House, Site, database_of

BROWSED = ("test_journey.py",)
left_out = 0


def _begin() -> str:
    folder = Path(tempfile.mkdtemp(prefix="photoproc-"))
    server = postgres.start(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.stop)
    return server.url


# Several processes that share the tests share the server of the first, each with a database of its own.
os.environ["DATABASE_URL"] = os.environ[environment.DATABASE] = os.environ.get(environment.DATABASE) or _begin()

os.environ["SECRET_KEY"] = "the-key-of-the-tests"  # that of the database would go with what a test leaves in it


def pytest_configure(config: pytest.Config) -> None:
    config.option.reuse_db = True  # else it is dropped at the end, which a connection that some thread has forbids


def touches(item: pytest.Item) -> bool:
    """Whether the database has a part in a test: it asks for it, or its file runs whole houses or databases."""
    if item.get_closest_marker("any_database"):
        return False
    if "browser" in item.keywords:
        return item.path.name in BROWSED
    asks = {"db", "transactional_db"}.intersection(getattr(item, "fixturenames", ()))
    if asks or item.get_closest_marker("django_db"):
        return True
    names = vars(getattr(item, "module", object)).values()
    return any(name is one for name in names for one in (House, Site, database_of, postgres))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    global left_out
    others = [item for item in items if not touches(item)]
    left_out = len(others)
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if touches(item)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if said := getattr(session.config, "workeroutput", None):  # to the process that shares the tests out
        said["left_out"] = left_out


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    global left_out
    left_out = node.workeroutput["left_out"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"On PostgreSQL; {left_out} tests that do not need it were left out.")
