"""Loaded before Django: the tests have a data folder and a Redis of their own."""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(tempfile.mkdtemp(prefix="photoproc-"))
DATABASE = "PHOTO_TEST_DATABASE"  # the variable with the address of the PostgreSQL that tests run on, where they do
SHARED = ROOT.parent / "shared"  # weights and photos for tests, where the machine has them
atexit.register(shutil.rmtree, DATA, ignore_errors=True)

# Neither the shell nor a `.env`, for the houses that tests start too, leads them to the places of a house in use.
PLACES = ("DATABASE_URL", "REDIS_URL", "STORAGE_URL", "S3_BUCKET_NAME", "AWS_REGION", "PHOTO_IMPORT_PREFIX")
for name in (*PLACES, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "SECRET_KEY", "PHOTO_URL", "HOST", "DEBUG"):
    os.environ.pop(name, None)
os.environ["PYTHON_DOTENV_DISABLED"] = "1"
os.environ["PHOTO_DATA_DIR"] = str(DATA)
os.environ.setdefault("PHOTO_WORKERS", str(os.cpu_count() or 1))
os.environ.setdefault("PHOTO_SPARE_WORKERS", "0")  # a test that ends a worker, or counts them, knows who has its photo
# Of tests and of all their houses, wherever those run: tests are quick, and nobody measures the machine.
COMMON = {
    "PHOTO_API_RATE": "1000000/second", "PHOTO_STRANGER_RATE": "1000000/second", "PHOTO_ACCELERATOR": "processor",
    "PHOTO_SPARE_WORKERS": os.environ["PHOTO_SPARE_WORKERS"],
}  # fmt: skip
os.environ.update(COMMON)
(DATA / "static").mkdir()


def redis_server() -> str:
    """The redis-server on the PATH, else the one that `script/setup` put beside this Python."""
    here = str(Path(sys.executable).parent)
    found = shutil.which("redis-server", path=os.pathsep.join([os.environ.get("PATH", ""), here]))
    if not found:
        raise RuntimeError("There is no redis-server: run script/setup.")
    return found


def start_redis(folder: Path) -> "subprocess.Popen[bytes]":
    """A real Redis that answers on a socket in `folder`; it keeps nothing."""
    process = subprocess.Popen(
        [redis_server(), "--port", "0", "--unixsocket", str(folder / "redis.sock"), "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    for _ in range(200):
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(folder / "redis.sock")) == 0:
                return process
        time.sleep(0.05)
    process.kill()
    raise RuntimeError("Redis does not answer.")
