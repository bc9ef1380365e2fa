"""What models run on: the fastest engine that agrees, found out once."""

import json
import os
import resource
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from photoproc import settings
from processing import accelerator, catalogue, measured
from processing.accelerator import CUDA, OPENVINO, OPENVINO_BF16, PROCESSOR
from processing.pipeline import probe
from processing.pool import limit_memory
from tests.environment import ROOT

Tried = dict[str, tuple[float, float]]


@pytest.fixture
def intel(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that reckons with bf16, and the wheel with OpenVINO."""
    monkeypatch.delenv("PHOTO_ACCELERATOR")
    monkeypatch.setattr(accelerator, "wheel", lambda: "onnxruntime-openvino 1.24.1")
    monkeypatch.setattr(accelerator, "cpuinfo", lambda key: "sse2 amx_bf16" if key == "flags" else "A processor")
    accelerator.processor.cache_clear()


def probed(
    monkeypatch: pytest.MonkeyPatch, tried: Tried, *, late: bool = False, status: int = 0, noise: str = ""
) -> list[list[str]]:
    """The process of the probe says this: seconds and difference, by engine. Gives what it is asked."""

    def run(command: list[str], **options: Any) -> Any:
        asked.append(command[3:])
        if late:
            raise subprocess.TimeoutExpired(command, 1, output=said)
        return subprocess.CompletedProcess(command, status, said, b"Segmentation fault")

    asked: list[list[str]] = []
    lines = [{"engine": name, "seconds": took, "differs": differs} for name, (took, differs) in tried.items()]
    said = (noise + "".join(json.dumps(line) + "\n" for line in lines)).encode()
    monkeypatch.setattr(subprocess, "run", run)
    return asked


ALL: Tried = {"processor": (0.30, 0), "openvino": (0.24, 0.0001), "openvino-bf16": (0.13, 0.002)}


@pytest.mark.parametrize(("tried", "chosen"), [
    (ALL, OPENVINO_BF16),
    (ALL | {"openvino-bf16": (0.13, 0.1)}, OPENVINO),
    (ALL | {"openvino-bf16": (0.5, 0), "openvino": (0.4, 0)}, PROCESSOR),
    ({"processor": (0.3, 0)}, PROCESSOR),
    ({}, PROCESSOR),
])  # fmt: skip
def test_the_fastest_engine_that_agrees_is_chosen(
    tried: Tried, chosen: accelerator.Engine, intel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    probed(monkeypatch, tried)
    assert accelerator.chosen("u2netp") == chosen


def test_a_model_is_probed_once_until_something_is_different(intel: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = probed(monkeypatch, ALL)
    for _ in range(3):
        accelerator.chosen("u2netp")
    assert asked == [["u2netp", "processor", "openvino", "openvino-bf16"]]
    assert accelerator.seconds("u2netp") == {"processor": 0.30, "openvino": 0.24, "openvino-bf16": 0.13}
    accelerator.chosen("u2net")
    assert len(asked) == 2
    monkeypatch.setattr(accelerator, "wheel", lambda: "onnxruntime-openvino 1.25")
    accelerator.chosen("u2netp")
    assert len(asked) == 3


@pytest.mark.parametrize("how", [{"late": True}, {"status": -11}])
def test_of_a_probe_that_does_not_come_to_its_end_counts_what_it_said(
    how: dict[str, Any], intel: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    probed(monkeypatch, {name: ALL[name] for name in ("processor", "openvino")}, **how)
    assert accelerator.chosen("u2netp") == OPENVINO
    assert "openvino-bf16 could not be tried with u2netp" in caplog.text


def test_an_engine_that_fails_is_told_and_tried_again_at_the_next_start(
    intel: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(catalogue, "installed", lambda: ["u2netp"])
    probed(monkeypatch, {"processor": (0.3, 0)})
    assert accelerator.chosen("u2netp") == PROCESSOR
    assert "openvino, openvino-bf16 could not be tried with u2netp" in caplog.text
    assert "Segmentation fault" in caplog.text
    asked = probed(monkeypatch, ALL)
    assert (accelerator.chosen("u2netp"), asked) == (PROCESSOR, [])  # all workers of this start do the same
    accelerator.renew()
    assert accelerator.chosen("u2netp") == OPENVINO_BF16
    accelerator.renew()
    assert accelerator.chosen("u2netp") == OPENVINO_BF16
    assert len(asked) == 1


@pytest.mark.parametrize("noise", [
    "[ WARNING ] a library\n", "3\n", "[]\n", "{}\n", '{"engine": "steam"}\n', '{"engine": "openvino", "sec\n',
    '{"engine": [], "seconds": 1, "differs": 0}\n', '{"engine": "openvino", "seconds": [], "differs": 0}\n',
])  # fmt: skip
def test_what_a_library_says_beside_the_probe_is_passed_over(
    noise: str, intel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    probed(monkeypatch, ALL, noise=noise)
    assert accelerator.chosen("u2netp") == OPENVINO_BF16


def test_a_probe_goes_beyond_the_wall_of_the_worker_that_asks() -> None:
    def worker() -> None:
        limit_memory()
        assert resource.getrlimit(resource.RLIMIT_AS)[0] != before[0]
        probe.main("u2netp")
        assert resource.getrlimit(resource.RLIMIT_AS) == before

    before = resource.getrlimit(resource.RLIMIT_AS)
    process = get_context("fork").Process(target=worker)
    process.start()
    process.join()
    assert process.exitcode == 0


def test_the_setting_wins_and_nothing_is_probed(intel: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = probed(monkeypatch, ALL)
    monkeypatch.setenv("PHOTO_ACCELERATOR", "openvino")
    assert accelerator.chosen("u2netp") == OPENVINO
    assert (asked, accelerator.seconds("u2netp")) == ([], {})


@pytest.mark.parametrize(("wheel", "flags", "offered"), [
    ("onnxruntime 1.31.1", "amx_bf16", [PROCESSOR]), ("", "", [PROCESSOR]),
    ("onnxruntime-gpu 1.24.1", "", [PROCESSOR, CUDA]),
    ("onnxruntime-openvino 1.24.1", "sse2 avx2", [PROCESSOR, OPENVINO]),
    ("onnxruntime-openvino 1.24.1", "avx512f avx512_bf16", [PROCESSOR, OPENVINO, OPENVINO_BF16]),
])  # fmt: skip
def test_what_can_be_tried_depends_on_the_wheel_and_the_processor(
    wheel: str, flags: str, offered: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerator, "wheel", lambda: wheel)
    monkeypatch.setattr(accelerator, "cpuinfo", lambda key: flags)
    assert accelerator.offered() == offered


def test_the_setting_knows_every_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(settings.ENGINES) == set(accelerator.ENGINES)
    command = [sys.executable, "-c", "from photoproc import settings"]
    environment = os.environ | {"PHOTO_ACCELERATOR": "steam"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert "PHOTO_ACCELERATOR must be one of processor, openvino, openvino-bf16, cuda, not 'steam'." in done.stderr


def test_openvino_takes_no_more_threads_than_its_worker_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    (provider, options), after = OPENVINO_BF16.providers()
    assert (provider, options["num_of_threads"], after) == ("OpenVINOExecutionProvider", "2", "CPUExecutionProvider")
    assert json.loads(options["load_config"]) == {"CPU": {"INFERENCE_PRECISION_HINT": "bf16"}}
    assert PROCESSOR.providers() == ["CPUExecutionProvider"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"of": "it"}', '{"of": "it", "found": 3}'])
def test_what_is_remembered_in_a_damaged_file_is_measured_anew(data: Path, damage: str) -> None:
    measured.once("that", "it", lambda: {"is": 1})
    (data / "measured/that.json").write_text(damage)
    assert measured.known("that", "it") is None
    assert measured.once("that", "it", lambda: {"is": 2}) == measured.known("that", "it") == {"is": 2}


def test_without_a_data_folder_nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PHOTO_DATA_DIR")
    assert measured.once("that", "it", lambda: {"is": 1}) == {"is": 1}
    assert measured.known("that", "it") is None
