"""What the models run on: of the engines that the installed onnxruntime offers, the fastest on this machine whose mask
agrees with the plain one's. A probe finds it out for each model, once.

`onnxruntime`, `onnxruntime-openvino` or `onnxruntime-gpu` is installed; they hold the same module.
"""

import json
import logging
import os
import platform
import re
import subprocess
import sys
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from processing import catalogue, measured

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
PHOTO = ROOT / "examples" / "cup.jpg"  # whatever is tried out here is tried with it
WHEELS = ("onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime")
BF16 = {"amx_bf16", "avx512_bf16"}  # flags of processors that reckon with it fast
AGREES = 0.005  # of 1: so much may a pixel differ on average from what the plain engine says
PATIENCE = 150  # seconds that a probe may take: a large model is loaded and run several times


@dataclass(frozen=True)
class Engine:
    """A way to run a model; `precision` is OpenVINO's. What `forks` works in the children of who loaded it."""

    name: str
    label: str
    provider: str
    precision: str = ""
    forks: bool = True

    def providers(self) -> list[Any]:
        """As onnxruntime wants them. OpenVINO would take all cores."""
        if self == PROCESSOR:
            return [self.provider]
        options = {}
        if self.precision:
            hint = {"CPU": {"INFERENCE_PRECISION_HINT": self.precision}}
            options = {"device_type": "CPU", "load_config": json.dumps(hint)}
            if threads := os.environ.get("OMP_NUM_THREADS"):
                options["num_of_threads"] = threads
        return [(self.provider, options), PROCESSOR.provider]


PROCESSOR = Engine("processor", "the processor", "CPUExecutionProvider")
OPENVINO = Engine("openvino", "the processor by OpenVINO", "OpenVINOExecutionProvider", "f32")
OPENVINO_BF16 = Engine("openvino-bf16", "the processor by OpenVINO, bf16", "OpenVINOExecutionProvider", "bf16")
CUDA = Engine("cuda", "the GPU (CUDA)", "CUDAExecutionProvider", forks=False)
ENGINES = {engine.name: engine for engine in (PROCESSOR, OPENVINO, OPENVINO_BF16, CUDA)}


def label(name: str) -> str:
    """Of an engine; a newer release on another machine may know more of them."""
    return ENGINES[name].label if name in ENGINES else name


# ---- what there is -------------------------------------------------------------------------------------------------


@cache
def wheel() -> str:
    """Which onnxruntime is installed, such as `onnxruntime-openvino 1.24.1`; empty where it is none of the WHEELS."""
    for name in WHEELS:
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    return ""


@cache
def processor() -> str:
    """What tells this processor from others, its flags included."""
    said = cpuinfo("model name") or platform.processor() or platform.machine()
    return f"{said} {zlib.crc32(cpuinfo('flags').encode()):08x}"


def cpuinfo(key: str) -> str:
    """What Linux says of the first processor; empty where it does not."""
    try:
        found = re.search(rf"^{key}\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:  # no Linux
        return ""
    return found[1] if found else ""


def offered() -> list[Engine]:
    """Those that can be tried here, the plain one first."""
    name = wheel().partition(" ")[0]
    if name == "onnxruntime-gpu":
        return [PROCESSOR, CUDA]
    if name == "onnxruntime-openvino":
        return [PROCESSOR, OPENVINO, *([OPENVINO_BF16] if BF16 & {*cpuinfo("flags").split()} else [])]
    return [PROCESSOR]


# ---- what is chosen ------------------------------------------------------------------------------------------------


def chosen(model: str) -> Engine:
    """What a model runs on: what the setting says, else what the probe found. The first time, it is probed."""
    if told := _told():
        return told
    return ENGINES[measured.once(model, _depends_on(model), lambda: probe(model))["engine"]]


def renew() -> None:
    """At a start: a probe to which an engine did not answer is forgotten, as what was in its way may be gone."""
    names = {engine.name for engine in offered()}
    for model in catalogue.installed():
        found = measured.known(model, _depends_on(model))
        if found and not names <= found["tried"].keys():
            measured.forget(model)


def known() -> dict[str, Engine]:
    """What each installed model runs on, as far as that is known."""
    return {model: engine for model in catalogue.installed() if (engine := _known(model))}


def seconds(model: str) -> dict[str, float]:
    """What a run of it took on one core, by the name of the engine; empty where nothing was measured."""
    found = None if _told() else measured.known(model, _depends_on(model))
    return {name: one["seconds"] for name, one in found["tried"].items()} if found else {}


def _told() -> Engine | None:
    """By the setting, or as there is but one."""
    asked = os.environ.get("PHOTO_ACCELERATOR")
    if asked:
        return ENGINES[asked]
    return PROCESSOR if offered() == [PROCESSOR] else None


def _known(model: str) -> Engine | None:
    found = measured.known(model, _depends_on(model))
    return _told() or (ENGINES[found["engine"]] if found else None)


def _depends_on(model: str) -> str:
    return f"{wheel()}; {processor()}; {catalogue.MODELS[model].digest}"


# ---- the probe -----------------------------------------------------------------------------------------------------


def probe(model: str) -> measured.Found:
    """Try all engines in a process of its own, which ends with all that they took: `engine`, and what was `tried`."""
    tried = _tried(model)
    agreeing = [name for name, one in tried.items() if one["differs"] <= AGREES]
    return {"engine": min(agreeing, key=lambda name: tried[name]["seconds"], default=PROCESSOR.name), "tried": tried}


def _tried(model: str) -> dict[str, dict[str, float]]:
    """As far as it came: an engine may end the process, or take too long."""
    names = [engine.name for engine in offered()]
    command = [sys.executable, "-m", "processing.pipeline.probe", model, *names]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=PATIENCE, check=False)
        said, trouble = done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        said, trouble = late.stdout or b"", (late.stderr or b"") + f"It took longer than {PATIENCE} s.".encode()
    tried = dict(filter(None, map(_heard, said.splitlines())))
    if missing := ", ".join(name for name in names if name not in tried):
        why = trouble.decode(errors="replace")[-2000:]
        log.warning("%s could not be tried with %s; the next start tries again: %s", missing, model, why)
    return tried


def _heard(line: bytes) -> tuple[str, dict[str, float]] | None:
    """None where it was a library that wrote it, or time was up in its midst."""
    try:
        one = json.loads(line)
        return ENGINES[one["engine"]].name, {key: float(one[key]) for key in ("seconds", "differs")}
    except (ValueError, LookupError, TypeError):
        return None
