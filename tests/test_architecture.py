"""What must hold of the code itself and import-linter cannot see."""

import ast
from itertools import product

from tests.environment import ROOT

ROOM = ROOT / "processing"
FILES = [path for path in sorted(ROOM.rglob("*.py")) if "migrations" not in path.parts]


def named(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def changes_status(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return named(node) == "update" and any(word.arg == "status" for word in node.keywords)
    return isinstance(node, ast.Assign) and any(
        isinstance(to, ast.Attribute) and to.attr == "status" for to in node.targets
    )


def test_only_the_ledger_changes_the_status_of_an_upload() -> None:
    others = [path for path in FILES if path.parent.name != "ledger" and path.name != "variants.py"]  # a small state
    found = [
        f"{path.relative_to(ROOT)}: {ast.unparse(node)}"
        for path in others
        for node in ast.walk(ast.parse(path.read_text()))
        if changes_status(node)
    ]
    assert found == []


def test_rq_and_channels_have_one_door_each() -> None:
    doors = {
        "rq": ("queue.py", "worker.py", "rq.py"),
        "channels.layers": ("announce.py",),
        "channels": ("announce.py",),
    }
    for path, (module, allowed) in product(FILES, doors.items()):
        text = path.read_text()
        if f"from {module}" in text or f"import {module}\n" in text:
            is_watcher = module == "channels" and path.parent.name == "live"
            assert path.name in allowed or is_watcher, f"{path} imports {module}"


def test_nothing_hooks_into_saving() -> None:
    for path in FILES:
        text = path.read_text()
        assert "django.db.models.signals" not in text, path
        assert "models" not in path.parts or "def save(" not in text, path
