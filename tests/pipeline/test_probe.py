"""The probe tries a model with a real picture; an engine that is not here does not keep it from the others."""

import json

import pytest

from processing.pipeline import probe


def test_each_engine_that_works_is_told_in_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "ENOUGH", 0)
    probe.main("u2netp", "processor", "cuda", "processor")
    said = capsys.readouterr()
    first, again = map(json.loads, filter(None, said.out.splitlines()))
    assert (first["engine"], first["differs"]) == ("processor", 0)
    assert first["seconds"] > 0
    assert again["differs"] < 1e-6
    assert said.err.startswith("cuda: ")
