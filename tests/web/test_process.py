"""What the web process is and is not: its headers, its health, and what it never loads."""

import subprocess
import sys
from typing import Any

import pytest
from django.test import Client

from processing import queue
from tests import environment

HEAVY = ("rembg", "onnxruntime", "cv2", "numba", "skimage", "scipy", "processing.tasks", "processing.pipeline.run")


def test_it_never_loads_the_models_or_the_pipeline() -> None:
    code = f"import sys, photoproc.asgi, photoproc.urls; print([name for name in {HEAVY} if name in sys.modules])"
    env = {"PHOTO_DATA_DIR": str(environment.DATA), "DJANGO_SETTINGS_MODULE": "photoproc.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=environment.ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_light_workers_load_no_model() -> None:
    code = "import django; django.setup(); import sys, processing.tasks; " \
           "print([name for name in ('rembg', 'onnxruntime', 'cv2') if name in sys.modules])"  # fmt: skip
    env = {"PHOTO_DATA_DIR": str(environment.DATA), "DJANGO_SETTINGS_MODULE": "photoproc.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=environment.ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_no_page_may_load_from_elsewhere_or_run_what_stands_in_it(client: Client, db: None) -> None:
    policy = client.get("/account/login/")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_it_is_alive_without_anything_else(client: Client) -> None:
    assert client.get("/health").status_code == 200


def test_it_is_not_ready_without_workers(client: Client, db: None) -> None:
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()["checks"]["workers"]) == (503, "failed")
    assert answer.json()["checks"]["database"] == "ok"


def test_it_says_when_redis_does_not_answer(client: Client, db: None, settings: Any) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    answer = client.get("/ready")
    assert answer.json()["checks"]["redis"] == "failed"


@pytest.mark.parametrize("path", ["/nowhere", "/jobs/0/", "/photos/99999/files/../../etc/passwd", "/%00"])
def test_bad_addresses_are_404_or_a_login(client: Client, db: None, path: str) -> None:
    assert client.get(path).status_code in (302, 404)


def test_a_nudge_is_json_and_carries_an_id_only() -> None:
    queue.connection().flushdb()
    queue.send(queue.PHOTOS, queue.PROCESS_UPLOAD, [7])
    key = next(iter(queue.connection().scan_iter("rq:job:*")))
    import zlib

    stored = queue.connection().hget(key, "data")
    assert stored
    assert b"pickle" not in zlib.decompress(stored)
    assert zlib.decompress(stored).startswith(b'["processing.tasks.process_upload"')
    queue.connection().flushdb()
