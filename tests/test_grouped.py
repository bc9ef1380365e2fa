"""The processes that share the tests."""

import os
import subprocess
import sys
from pathlib import Path

from tests.environment import ROOT

TEST = """
import os
from pathlib import Path

import pytest

@pytest.mark.xdist_group("kills")
@pytest.mark.parametrize("number", range(8))
def test_it(number: int) -> None:
    Path(f"{number}-{os.environ['PYTEST_XDIST_WORKER']}").touch()
"""


def test_tests_of_a_group_run_in_one_process(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST)
    plugins = ["-p", "tests.grouped", "-p", "no:django", "-p", "no:cacheprovider"]
    shared = ["-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder", "-c", os.devnull, "--rootdir", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", "-q", *plugins, *shared, "test_it.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.glob("*-gw?"))) == 8
    assert len({path.name.partition("-")[2] for path in tmp_path.glob("*-gw?")}) == 1
