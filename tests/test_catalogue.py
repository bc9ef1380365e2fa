"""The catalogue agrees with rembg, and knows what is on this machine."""

import inspect
from pathlib import Path

import pytest

from processing import catalogue
from processing.errors import PhotoError


@pytest.mark.parametrize("name", catalogue.MODELS)
def test_rembg_knows_each_model_by_the_same_name_address_and_file(name: str) -> None:
    from rembg.sessions import sessions

    weights = catalogue.MODELS[name]
    source = inspect.getsource(sessions[name].download_models)
    assert weights.url in source
    assert weights.file == f"{name}.onnx"
    if name != "u2netp":  # rembg knows it by its MD5, we by its SHA-256
        assert weights.checksum in source


def test_every_model_that_may_be_used_commercially_has_a_place_in_the_order_of_preference() -> None:
    assert set(catalogue.PREFERENCE) == {name for name, weights in catalogue.MODELS.items() if weights.commercial}


def test_a_model_that_is_not_for_commercial_use_is_never_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    catalogue.MODELS["bria-rmbg"].path.touch()
    assert catalogue.best_installed() == catalogue.FALLBACK


def test_the_best_that_is_installed_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    assert catalogue.best_installed() == catalogue.FALLBACK
    for name in ("u2netp", "u2net"):
        catalogue.MODELS[name].path.touch()
    assert catalogue.best_installed() == "u2net"


def test_what_is_not_installed_is_refused_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    with pytest.raises(PhotoError) as caught:
        catalogue.require("silueta")
    assert caught.value.remedy.endswith("fetch_weights silueta")
