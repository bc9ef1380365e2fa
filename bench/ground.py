"""What a measurement stands on: a place of its own to measure in, and the machine that it is measured on."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from processing import accelerator
from tests import environment

# Itself, as a house does that people start; tests do not.
CHOOSES = {"PHOTO_ACCELERATOR": "", "PHOTO_WORKERS": "0", "PHOTO_SPARE_WORKERS": "1"}


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


@contextmanager
def ground(folder: Path, **places: str) -> Iterator[dict[str, str]]:
    """The environment of a process that measures: with a Redis of its own in this folder, and a new database there,
    or where `places` names it.
    """
    redis = environment.start_redis(folder)
    try:
        env = {**os.environ, "PHOTO_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "photoproc.settings",
               "SECRET_KEY": "of-the-bench", "LOG_LEVEL": "WARNING", **CHOOSES, **places}  # fmt: skip
        _run(env, "manage.py", "migrate", "-v0")
        yield env
    finally:
        redis.terminate()
        redis.wait()


def part(env: dict[str, str], module: str, *words: str) -> Any:
    """What a part of this says in its last line."""
    return json.loads(_run(env, "-m", f"bench.{module}", *words).splitlines()[-1])


def _run(env: dict[str, str], *words: str) -> str:
    done = subprocess.run([sys.executable, *words], env=env, cwd=environment.ROOT, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


def machine() -> dict[str, Any]:
    processor = accelerator.processor().rpartition(" ")[0]  # what it is called, without the sum of its flags
    return {
        "cores": os.cpu_count(), "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "processor": processor, "python": platform.python_version(), "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip
