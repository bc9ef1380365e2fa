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

from tests import environment

CHOOSES = {"PHOTO_ACCELERATOR": "", "PHOTO_WORKERS": "0"}  # itself, as a house does that people start; tests do not


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


@contextmanager
def ground(name: str, **places: str) -> Iterator[dict[str, str]]:
    """A data folder and a Redis of its own, and the database where it is named."""
    folder = environment.DATA / name
    folder.mkdir()
    say(name)
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
    return {
        "cores": os.cpu_count(), "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "processor": _processor(), "python": platform.python_version(), "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
