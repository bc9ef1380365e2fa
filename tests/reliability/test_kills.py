"""kill -9 of everything, in the middle of the work: every photo ends once."""

import io
import signal
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy
import psutil
import pytest
from PIL import Image, ImageDraw

from tests.house import House, free_port, token, wait_for
from tests.misbehaving import Misbehaving
from tests.receiver import SILENCE, listening

pytestmark = [pytest.mark.weights, pytest.mark.xdist_group("kills"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"), PHOTO_WORKERS="2")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[Misbehaving]:
    made = Misbehaving(delay=0.3)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def port() -> int:
    """Where nobody listens yet."""
    return free_port()


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory, server: Misbehaving, port: int) -> Iterator[House]:
    """One worker, and who is dead is missed soon."""
    allow = " ".join(f"{host}:{port}" for host, port in {*server.allow, ("localhost", port)})
    often = {"PHOTO_LEASE": "3", "PHOTO_HEARTBEAT": "1"}
    made = House(tmp_path_factory.mktemp("quick"), PHOTO_WORKERS="1", PHOTO_FETCH_ALLOW=allow, **often)
    yield made
    made.stop()


def photo(seed: int) -> bytes:
    """Each another one: a disc before noise."""
    pixels = numpy.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=numpy.uint8)
    out, image = io.BytesIO(), Image.fromarray(pixels).resize((640, 480))
    ImageDraw.Draw(image).ellipse((160, 80, 480, 400), fill="gold")
    image.save(out, "JPEG")
    return out.getvalue()


def all_ended(house: House) -> bool:
    counts = house.counts()
    return sum(counts.get(state, 0) for state in ("new", "queued", "processing")) == 0


def workers(house: House, *, io: bool = False) -> list[psutil.Process]:
    pool = house.processes("manage.py", "work")
    pool = [process for process in pool if ("--io" in process.cmdline()) == io]
    return [child for child in pool if psutil.Process(child.ppid()) in pool]


def pool(house: House) -> psutil.Process:
    return psutil.Process(workers(house)[0].ppid())


def test_every_photo_ends_once_whatever_is_killed(house: House) -> None:
    client = house.client()
    job = house.send(client, {f"photo-{number}.jpg": photo(number) for number in range(60)})
    victims = {
        "a worker": lambda: wait_for(lambda: workers(house), 20)[0],
        "the pool": lambda: wait_for(lambda: workers(house), 20) and pool(house),
        "the dispatcher": lambda: house.processes("manage.py", "dispatch")[0],
        "redis": lambda: house.processes("redis-server")[0],
    }
    for number, (name, victim) in enumerate(victims.items(), start=1):
        wait_for(lambda: house.counts(job).get("completed", 0) >= 8 * number, 120)  # noqa: B023
        assert not all_ended(house), f"all was over before {name} was killed"
        victim().send_signal(signal.SIGKILL)
    wait_for(lambda: all_ended(house), 150)
    assert house.counts(job) == {"completed": 60}
    assert results(house, job) == 60
    names = zip_names(client.get(f"{job}results.zip").content)
    assert len(names) == 61
    in_folder = len(list((house.folder / "files").glob("*/*/results/*")))
    in_rows = house.rows("SELECT count(*) FROM processing_variant WHERE status = 'completed'")[0][0]
    assert in_folder <= in_rows + 8  # what a kill left behind belongs to no row and harms nobody


def results(house: House, job: str) -> int:
    of_job = f"upload_id IN (SELECT id FROM processing_upload WHERE job_id = {job.split('/')[2]})"
    rows = house.rows(f"SELECT count(*) FROM processing_variant WHERE name = 'result' AND {of_job}")
    return int(rows[0][0])


def zip_names(data: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return archive.namelist()


@pytest.mark.any_database
def test_a_photo_of_a_killed_worker_is_worked_on_again_within_a_minute(house: House) -> None:
    job = house.send(house.client(), {f"photo-{number}.jpg": photo(100 + number) for number in range(12)})
    busy = wait_for(lambda: house.rows("SELECT id FROM processing_upload WHERE status = 'processing'"), 60, 0.02)
    for worker in workers(house):
        worker.kill()
    begun = time.monotonic()
    wait_for(lambda: house.rows(f"SELECT 1 FROM processing_upload WHERE id = {busy[0][0]} AND attempts > 1"), 60)
    assert time.monotonic() - begun < 60
    wait_for(lambda: all_ended(house), 120)
    assert house.counts(job) == {"completed": 12}


@pytest.mark.any_database
def test_a_server_that_is_asked_to_stop_leaves_no_process_and_goes_on_later(tmp_path: Path) -> None:
    first = House(tmp_path, PHOTO_WORKERS="2")
    first.send(first.client(), {f"photo-{number}.jpg": photo(number) for number in range(20)})
    family = [first.supervisor, *first.supervisor.children(recursive=True)]
    wait_for(lambda: first.counts().get("completed", 0) >= 2, 60)
    assert first.stop() == 0
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert first.counts().get("processing", 0) == 0
    second = House(tmp_path, PHOTO_WORKERS="2")
    try:
        wait_for(lambda: all_ended(second), 120)
        assert second.counts() == {"completed": 20}
        assert second.rows("SELECT max(attempts) FROM processing_upload") == [(1,)]
    finally:
        second.stop()


@pytest.mark.any_database
def test_a_photo_that_kills_its_worker_three_times_ends_worker_lost_and_its_neighbours_go_on(quick: House) -> None:
    job = quick.send(quick.client(), {f"photo-{number}.jpg": photo(200 + number) for number in range(3)})
    poison = wait_for(lambda: quick.rows("SELECT id FROM processing_upload WHERE status = 'processing'"), 60, 0.01)
    pk = poison[0][0]
    for attempt in (1, 2, 3):
        working = f"SELECT 1 FROM processing_upload WHERE id={pk} AND status='processing' AND attempts={attempt}"
        wait_for(lambda: quick.rows(working), 60, 0.01)  # noqa: B023
        for worker in workers(quick):
            worker.kill()
    wait_for(lambda: all_ended(quick), 60)
    assert quick.rows(f"SELECT status, error_code FROM processing_upload WHERE id={pk}") == [("failed", "worker_lost")]
    assert quick.counts(job) == {"completed": 2, "failed": 1}


@pytest.mark.any_database
def test_photos_come_once_whoever_is_killed_while_they_are_fetched(quick: House, server: Misbehaving) -> None:
    lines = [f"{number},Lamp,{server.address(f'/photos/{number}.jpg')}" for number in range(40)]
    csv = "\r\n".join(["S. No.,Product Name,Input Image Urls", *lines]).encode()
    server.requests.clear()
    client = quick.client()
    form = token(client.get("/products/").text)
    place = client.post("/products/", data=form, files={"file": ("lamps.csv", csv)}).headers["location"]
    assert client.post(f"{place}start", data=form).status_code == 303
    number = place.split("/")[2]
    wait_for(lambda: quick.rows(f"SELECT 1 FROM processing_upload WHERE source != '' AND job_id = {number}"), 60, 0.02)
    fetching, asked = workers(quick, io=True), server.requests.total()
    wait_for(lambda: server.requests.total() > asked, 60, 0.02)  # and it takes 0.3 s until that one is answered
    for worker in fetching:
        worker.kill()
    wait_for(lambda: all_ended(quick), 90)
    assert quick.counts(place) == {"completed": 40}
    assert len(server.requests) == 40
    assert 40 < server.requests.total() <= 40 + 16, "those in flight are fetched again, and no others"
    assert results(quick, place) == 40


@pytest.mark.any_database
def test_a_webhook_is_heard_though_its_receiver_and_then_its_worker_is_killed(quick: House, port: int) -> None:
    client = quick.client()
    form = {"url": f"http://localhost:{port}/", "types": "job.completed", "next": "/"}
    form |= token(client.get("/webhooks/").text)
    page = client.post("/webhooks/add", data=form).headers["location"]
    client.post(f"{page}test", data=form)
    ours = f"SELECT {{}} FROM processing_delivery WHERE endpoint_id = {page.split('/')[2]}"
    tries = f"SELECT status FROM processing_attempt WHERE delivery_id IN ({ours.format('id')}) ORDER BY id"
    assert wait_for(lambda: quick.rows(tries), 20) == [(None,)], "nobody listens"
    with listening(port=port) as receiver:
        receiver.answers = [SILENCE, 200]
        wait_for(lambda: receiver.got, 20, 0.02)
        for worker in workers(quick, io=True):
            worker.kill()
        wait_for(lambda: len(quick.rows(tries)) > 1, 30)
    assert quick.rows(tries) == [(None,), (200,)]
    held, heard = receiver.got
    assert (held.headers["webhook-id"], held.body) == (heard.headers["webhook-id"], heard.body)
    assert quick.rows(f"{ours.format('attempts')} AND delivered_at IS NOT NULL") == [(3,)]
