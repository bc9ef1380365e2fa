"""The peer: rembg's own command for a folder, in a virtual environment of its own, with plain onnxruntime."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.ground import say
from processing import catalogue

VENV = Path(__file__).with_name(".peer")
COMMAND = VENV / "bin" / "rembg"
PACKAGES = ("rembg[cpu,cli]==2.0.86", "onnxruntime==1.31.1", "py-spy==0.4.3")  # the last one looks at our workers


def make() -> None:
    """The environment, where it is not made yet; a half-made one is made anew. Its imports are warm afterwards."""
    stamp = VENV / "made"
    if not stamp.exists() or stamp.read_text() != str(PACKAGES):
        _install()
        stamp.write_text(str(PACKAGES))
    subprocess.run([COMMAND, "p", "--help"], stdout=subprocess.DEVNULL, check=True)


def _install() -> None:
    say(f"Making the peer's environment: {', '.join(PACKAGES)}")
    shutil.rmtree(VENV, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    pip = (str(VENV / "bin" / "pip"), "install", "-q", "--disable-pip-version-check")
    subprocess.run([*pip, *PACKAGES], stdout=sys.stderr, check=True)


def rate(photos: Path, model: str) -> float:
    """Photos per second of this folder, on all cores. Its start, imports and model, is not counted."""
    nothing = photos.with_name("nothing")
    nothing.mkdir(exist_ok=True)
    started, took = _took(nothing, model), _took(photos, model)
    return len(list(photos.iterdir())) / (took - started)


def _took(folder: Path, model: str) -> float:
    out = folder.with_name(f"{folder.name}-out")
    began = time.perf_counter()
    env = {**os.environ, "U2NET_HOME": str(catalogue.home())}
    subprocess.run([COMMAND, "p", "-m", model, folder, out], env=env, stderr=subprocess.DEVNULL, check=True)
    took = time.perf_counter() - began
    if out.exists() and len(list(out.iterdir())) != len(list(folder.iterdir())):
        raise RuntimeError("rembg did not make all of them.")
    shutil.rmtree(out, ignore_errors=True)
    return took
