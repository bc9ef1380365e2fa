"""What must hold of the code itself and import-linter cannot see."""

import ast
from pathlib import Path

import pytest

from tests.environment import ROOT

ROOM = ROOT / "processing"
FILES = [path for path in sorted(ROOM.rglob("*.py")) if "migrations" not in path.parts]


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


def named(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_ledger_changes_the_status_of_an_upload(path: Path) -> None:
    if path.parent.name == "ledger" or path.name == "variants.py":  # a variant has a small state of its own
        return
    for call in calls(path):
        assert not (named(call) == "update" and any(word.arg == "status" for word in call.keywords)), ast.unparse(call)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign):
            assert not any(isinstance(to, ast.Attribute) and to.attr == "status" for to in node.targets)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rq_and_channels_have_one_door_each(path: Path) -> None:
    text = path.read_text()
    doors = {
        "rq": ("queue.py", "worker.py", "rq.py"),
        "channels.layers": ("announce.py",),
        "channels": ("announce.py",),
    }
    for module, allowed in doors.items():
        if f"from {module}" in text or f"import {module}\n" in text:
            is_watcher = module == "channels" and path.parent.name == "live"
            assert path.name in allowed or is_watcher, f"{path} imports {module}"


def test_nothing_hooks_into_saving() -> None:
    for path in FILES:
        text = path.read_text()
        assert "django.db.models.signals" not in text, path
        assert "models" not in path.parts or "def save(" not in text, path
