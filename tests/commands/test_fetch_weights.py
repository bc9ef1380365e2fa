"""manage.py fetch_weights, as an operator types it."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from processing import catalogue


@pytest.mark.weights
def test_models_are_copied_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = catalogue.home()
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    call_command("fetch_weights", "--from", source, stdout=StringIO())
    assert catalogue.MODELS["u2netp"].installed
    assert catalogue.FACES.installed


def test_each_failure_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "home"))
    (tmp_path / "u2netp.onnx").write_bytes(b"not the weights")
    with pytest.raises(CommandError) as caught:
        call_command("fetch_weights", "u2netp", "silueta", "--from", tmp_path)
    assert str(caught.value).splitlines() == [
        "u2netp: the file is not u2netp.onnx (wrong checksum), so it was refused.",
        f"silueta: there is no silueta.onnx in {tmp_path}.",
    ]


def test_a_licence_that_forbids_commercial_use_is_told_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "home"))
    said = StringIO()
    with pytest.raises(CommandError, match=r"there is no bria-rmbg\.onnx"):
        call_command("fetch_weights", "bria-rmbg", "--from", tmp_path, stdout=said)
    assert said.getvalue() == (
        "bria-rmbg: CC BY-NC 4.0, not for commercial use; staff turn it on, on the page Models\n"
    )


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(CommandError, match=r"There is no model u3net\. There are: u2netp, silueta"):
        call_command("fetch_weights", "u3net")
