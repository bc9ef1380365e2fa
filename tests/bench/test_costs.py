"""Measuring: only where nobody else is at work."""

import os
import sys

import pytest

from bench import costs
from tests import postgres


def test_a_machine_at_work_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["costs"])
    monkeypatch.setattr(os, "getloadavg", lambda: (0.51 * (os.cpu_count() or 1) + 0.1, 0.0, 0.0))
    monkeypatch.setattr(postgres, "start", None)  # it is not come to
    with pytest.raises(SystemExit, match="The machine is at work"):
        costs.main()
