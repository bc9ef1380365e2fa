"""Three hosts that share nothing but a network: one is cut off, one is killed, and every photo ends once."""

import hashlib
import io
import json
import os
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from PIL import Image

from processing.catalogue import home as weights
from tests import bucket, environment, hosts, postgres
from tests.house import PASSWORD, Site, wait_for
from tests.reliability.test_kills import photo

pytestmark = [pytest.mark.weights, pytest.mark.xdist_group("kills"), pytest.mark.timeout(600)]

DATABASE, REDIS, STORAGE, FRONT = "10.77.0.2", "10.77.0.3", "10.77.0.4", "10.77.0.10"
WORKERS = {"worker-1": "10.77.0.11", "worker-2": "10.77.0.12"}
WORK = ("script/server", "worker", "io")
AWAY = 30  # seconds that a host is without its network
INVENTORY = """
import json
from processing import inventory
from processing.models import Job
found = [inventory.of_job(pk, owner, older_than=0) for pk, owner in Job.objects.values_list("pk", "owner_id")]
missing, unnamed = ([row.key for each in found for row in getattr(each, name)] for name in ("missing", "unnamed"))
print(json.dumps([missing, unnamed]))
for each in found:
    inventory.remove(each)
"""
HOLD = """
import time
from django.db import connection, transaction
from processing.models import Upload
queued = Upload.objects.filter(status="queued").order_by("-pk")
with transaction.atomic(), connection.cursor() as cursor:
    while not list(queued.select_for_update(skip_locked=True)[:1]):
        time.sleep(0.1)
    cursor.execute("SELECT 'held'")  # PostgreSQL tells the last query of each, and of a long one not its end
    time.sleep(600)
"""
HELD = "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND query = 'SELECT ''held'''"
PHOTOS = 200
LOG = 20_000  # characters of each host's log that are shown after a failure
TOLD = timedelta(seconds=60)  # within which a photo of a host that is gone is worked on again


@pytest.fixture(scope="module", autouse=True)
def namespaces() -> None:
    if environment.DATABASE not in os.environ:
        pytest.skip("Three hosts out of namespaces: script/test --postgres runs them.")
    if reason := hosts.why_not():
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
            made[0].start("script/server", "web", "io", "dispatcher")
            for worker in made[1:]:
                worker.start(*WORK)
            wait_for(lambda: is_ready(url), 90)
            yield Town(site, store, made[0], made[1:])
        except BaseException as error:
            for one in made:
                error.add_note(f"---- {one.name}\n{one.log.read_text()[-LOG:]}")
            raise


def host(stack: ExitStack, name: str, address: str, place: Path, **settings: str) -> hosts.Host:
    made = hosts.Host(name, address, place, **settings)
    stack.callback(made.off)
    return made


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


def test_every_photo_ends_once_though_one_host_is_cut_off_and_another_killed(tmp_path: Path) -> None:
    sent = {f"photo-{number}.jpg": photo(number) for number in range(PHOTOS)}
    with town(tmp_path) as here:
        assert [host.run("ls", str(host.hosts)).split() for host in here.workers] == [
            ["data", "home", "log", "tmp"]
        ] * 2
        here.workers[1].start("python", "manage.py", "shell", "-v", "0", "-c", HOLD)  # it starts while they are sent
        client = here.site.client()
        jobs = send(here.site, client, sent)
        wait_for(lambda: here.site.rows(HELD), 120)
        wait_for(lambda: here.site.counts().get("completed", 0) >= 20 and len(in_hand(here.site)) == 2, 120, 0.02)
        began, lost = datetime.now(UTC), in_hand(here.site)
        trouble(*here.workers)
        wait_for(lambda: all_ended(here.site), 120)
        assert here.site.counts() == {"completed": PHOTOS}
        spent = here.site.rows("SELECT attempts, count(*) FROM processing_upload GROUP BY attempts ORDER BY attempts")
        assert spent[-1][0] <= settings.ATTEMPTS
        again = dict(here.site.rows("SELECT id, started_at FROM processing_upload WHERE attempts > 1"))
        assert all(again[pk] - began < TOLD for pk in again.keys() & lost)
        assert here.site.rows("SELECT sum(completed), sum(failed) FROM processing_tally") == [(PHOTOS, 0)]
        originals_are_intact(here, sent)
        each_has_one_result(here)
        results_can_be_fetched(here.site, client)
        all_are_told(client, jobs)


def send(site: Site, client: httpx.Client, sent: dict[str, bytes]) -> list[str]:
    """A fifth are cut out, which takes its time; the others are made smaller, 50 of them out of a ZIP. Gives the pages
    of the jobs."""
    some, smaller = list(sent.items()), {"remove_bg": "false", "size": "200x200"}
    fifth = len(some) // 5
    return [
        site.send(client, dict(some[:fifth])),
        site.send(client, {"photos.zip": packed(dict(some[-50:]))}, **smaller),
        *(site.send(client, dict(some[first : first + 55]), **smaller) for first in range(fifth, len(some) - 50, 55)),
    ]


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def trouble(one: hosts.Host, other: hosts.Host) -> None:
    """One host is without its network for a while. The other loses its power, in the midst of a transaction: all its
    processes are killed, and nobody hears that its connections end. It is started again."""
    one.cut()
    until = time.monotonic() + AWAY
    other.cut()
    other.off()
    time.sleep(5)
    other.on()
    other.start(*WORK)
    time.sleep(max(0, until - time.monotonic()))
    one.mend()


def in_hand(site: Site) -> set[int]:
    return {pk for (pk,) in site.rows("SELECT id FROM processing_upload WHERE status = 'processing'")}


def all_ended(site: Site) -> bool:
    """Also the small pictures are made."""
    counts = site.counts()
    if any(counts.get(state) for state in ("new", "queued", "processing")):
        return False
    return not site.rows("SELECT 1 FROM processing_variant WHERE status = 'pending' LIMIT 1")


def originals_are_intact(here: Town, sent: dict[str, bytes]) -> None:
    rows = here.site.rows("SELECT sent_name, source, source_sha256 FROM processing_upload")
    expected = {name: hashlib.sha256(data).hexdigest() for name, data in sent.items()}
    assert {name: digest for name, _, digest in rows} == expected
    assert {name: hashlib.sha256(here.read(key)).hexdigest() for name, key, _ in rows} == expected


def each_has_one_result(here: Town) -> None:
    """What dead attempts left in the bucket is found by the inventory, and is all that it finds."""
    rows = here.site.rows("SELECT upload_id, key FROM processing_variant WHERE name = 'result'")
    assert len({pk for pk, _ in rows}) == len(rows) == PHOTOS
    named = {key for _, key in rows}
    strays = here.keys("results") - named
    missing, unnamed = json.loads(here.front.run("python", "manage.py", "shell", "-v", "0", "-c", INVENTORY))
    assert not missing
    assert strays <= set(unnamed)
    assert here.keys("results") == named


def results_can_be_fetched(site: Site, client: httpx.Client) -> None:
    for pk, digest in site.rows("SELECT upload_id, sha256 FROM processing_variant WHERE name = 'result'"):
        answer = client.get(f"/photos/{pk}/files/result")
        assert answer.status_code == 302
        data = httpx.get(answer.headers["location"]).content
        assert hashlib.sha256(data).hexdigest() == digest
        Image.open(io.BytesIO(data)).verify()


def all_are_told(client: httpx.Client, jobs: list[str]) -> None:
    """Page and API say that all are completed."""
    told = [client.get(f"/api/v1{job.rstrip('/')}").json()["counts"] for job in jobs]
    assert [counts["completed"] for counts in told] == [sum(counts.values()) for counts in told]
    assert sum(counts["completed"] for counts in told) == PHOTOS
    for job, counts in zip(jobs, told, strict=True):
        assert f'data-completed="{counts["completed"]}" data-failed="0"' in client.get(job).text
