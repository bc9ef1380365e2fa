"""Three hosts that share nothing but a network: one is cut off, one is killed, and every photo ends once."""

import hashlib
import io
import json
import os
import subprocess
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import Image

from processing.catalogue import home as weights
from tests import bucket, environment, hosts, postgres
from tests.house import PASSWORD, Site, token, wait_for
from tests.reliability.test_kills import photo

pytestmark = [pytest.mark.weights, pytest.mark.xdist_group("kills"), pytest.mark.timeout(300)]

DATABASE, REDIS, STORAGE, FRONT = "10.77.0.2", "10.77.0.3", "10.77.0.4", "10.77.0.10"
WORKERS = {"worker-1": "10.77.0.11", "worker-2": "10.77.0.12"}
AWAY = 30  # seconds that a host is without its network
ATTEMPTS = 3
NAMED = """
import json
from processing import inventory, storage
from processing.models import Job
found = [inventory.of_job(pk, owner, older_than=0) for pk, owner in Job.objects.values_list("pk", "owner_id")]
print(json.dumps([[one.key for one in each] for each in zip(*((f.missing, f.unnamed) for f in found))]))
"""


@pytest.fixture(scope="module", autouse=True)
def namespaces() -> None:
    reason = hosts.why_not() or ("" if postgres.programs() else "there is no PostgreSQL")
    if reason:
        says = pytest.fail if os.environ.get("PHOTO_TEST_NAMESPACES") == "required" else pytest.skip
        says(f"Three hosts out of namespaces are left out: {reason}.")


@dataclass
class Town:
    """A front and two hosts with workers; the database, Redis and the bucket have addresses of their own."""

    site: Site
    bucket: bucket.Bucket
    front: hosts.Host
    workers: list[hosts.Host]

    def keys(self, folder: str) -> set[str]:
        """Of all objects in folders of this name, without the prefix of the house."""
        found = (key.partition("/")[2] for key in self.bucket.keys("house/"))
        return {key for key in found if f"/{folder}/" in key}

    def read(self, key: str) -> bytes:
        return self.bucket.get(f"house/{key}")


@contextmanager
def town(folder: Path) -> Iterator[Town]:
    with ExitStack() as stack:
        stack.enter_context(hosts.network(DATABASE, REDIS, STORAGE))
        database = postgres.start(folder, DATABASE)
        stack.callback(database.stop)
        store = bucket.start(folder, STORAGE)
        stack.callback(store.stop)
        stack.enter_context(redis(REDIS))
        places = {"DATABASE_URL": database.url, "REDIS_URL": f"redis://{REDIS}", "STORAGE_URL": store.url}
        places |= {"U2NET_HOME": str(weights())}
        url = f"http://{FRONT}:8000"
        own = {"HOST": "0.0.0.0", "PORT": "8000", "PHOTO_URL": url, "PHOTO_ADMIN_PASSWORD": PASSWORD}
        place = folder / "hosts"
        made = [host(stack, "front", FRONT, place, **places, **own)]
        made += [host(stack, name, address, place, **places, PHOTO_WORKERS="1") for name, address in WORKERS.items()]
        site = Site(url, database.url)
        stack.callback(site.leave)
        try:
            start_all(made)
            wait_for(lambda: is_ready(url), 90)
            yield Town(site, store, made[0], made[1:])
        except BaseException:
            for one in made:
                print(f"---- {one.name}\n{one.log.read_text()[-20000:]}")
            raise


def host(stack: ExitStack, name: str, address: str, place: Path, **settings: str) -> hosts.Host:
    made = hosts.Host(name, address, place, **settings)
    stack.callback(made.off)
    return made


def start_all(made: list[hosts.Host]) -> None:
    front, *workers = made
    front.run("python", "script/prepare.py", "database", "static", "user")
    start(front, "web", "io", "dispatcher")
    for worker in workers:
        start(worker, "worker", "io")


def start(host: hosts.Host, *names: str) -> None:
    lines = dict(line.split(": ", 1) for line in Path("Procfile").read_text().splitlines())
    for name in names:
        host.start("sh", "-c", f"exec {lines[name]}")


@contextmanager
def redis(address: str) -> Iterator[None]:
    process = subprocess.Popen(
        [environment.redis_server(), "--bind", address, "--save", "", "--protected-mode", "no"],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_every_photo_ends_once_though_a_host_is_cut_off_and_another_one_killed(tmp_path: Path) -> None:
    begun = time.monotonic()
    sent = {f"photo-{number}.jpg": photo(number) for number in range(200)}
    with town(tmp_path) as here:
        print("up after", time.monotonic() - begun)
        one, other = here.workers
        client = here.site.client()
        names = list(sent)
        jobs = [
            here.site.send(client, {name: sent[name] for name in names[:90]}),
            here.site.send(client, {name: sent[name] for name in names[90:150]}),
            here.site.send(client, {"photos.zip": packed({name: sent[name] for name in names[150:]})}),
        ]
        print("sent after", time.monotonic() - begun)
        wait_for(lambda: here.site.counts().get("completed", 0) >= 20 and at_work(here) > 1, 90, 0.02)
        print("cut after", time.monotonic() - begun)
        one.cut()
        cut = time.monotonic()
        time.sleep(1)
        other.off()
        print(here.site.counts())
        time.sleep(5)
        other.on()
        start(other, "worker", "io")
        while (left := cut + AWAY - time.monotonic()) > 0:
            print(f"{time.monotonic() - begun:.0f}", here.site.counts())
            time.sleep(min(left, 5))
        one.mend()
        print("mended after", time.monotonic() - begun)
        wait_for(
            lambda: (
                print(f"{time.monotonic() - begun:.0f}", here.site.counts())
                or not at_work(here, "'new','queued','processing'")
            ),
            120,
            2,
        )
        print("ended after", time.monotonic() - begun)
        print(here.site.rows("select attempts, count(*) from processing_upload group by 1"))
        print(here.site.rows("select * from processing_tally"))
        print(len(here.keys("results")), len(here.keys("originals")), len(here.keys("variants")))
        for host in [here.front, *here.workers]:
            print(f"---- {host.name}\n{host.log.read_text()[-9000:]}")


def at_work(here: Town, states: str = "'processing'") -> int:
    return here.site.rows(f"SELECT count(*) FROM processing_upload WHERE status IN ({states})")[0][0]


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
