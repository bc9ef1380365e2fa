"""The bucket, then Redis, goes away for a while under a whole house: the door says so, nothing is lost, all goes on."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests import bucket, environment
from tests.house import House, token, wait_for
from tests.relay import Relay
from tests.reliability.test_kills import all_ended, photo

pytestmark = [
    pytest.mark.weights,
    pytest.mark.any_database,
    pytest.mark.xdist_group("kills"),
    pytest.mark.timeout(300),
]

PHOTOS = 8  # at a time
QUICK = {"PHOTO_WORKERS": "2", "PHOTO_IO_WORKERS": "1", "PHOTO_RETRY_DELAY": "1"}
BREAKER = {"PHOTO_BREAKER_PAUSE": "1", "PHOTO_BREAKER_FAILURES": "2"}
PARKED = "SELECT count(*) FROM processing_upload WHERE waits_for = 'storage'"
RESULTS = "SELECT count(*), count(DISTINCT upload_id) FROM processing_variant WHERE name = 'result'"


def photos(first: int) -> dict[str, bytes]:
    return {f"photo-{number}.jpg": photo(number) for number in range(first, first + PHOTOS)}


def test_photos_wait_for_a_bucket_that_hangs_or_refuses_and_the_door_says_when_to_come_back(tmp_path: Path) -> None:
    with buckets(tmp_path) as store, relayed(int(store.endpoint.rpartition(":")[2])) as relay:
        address = store.address(endpoint=f"http://127.0.0.1:{relay.port}")
        house = House(tmp_path, STORAGE_URL=address, **QUICK, **BREAKER)
        try:
            client = house.client()
            begin(house, client, photos(0))
            relay.freeze()
            nothing_comes_in(house, client)
            relay.thaw()
            wait_for(partial(all_ended, house), 90)
            begin(house, client, photos(PHOTOS))
            relay.kill()
            wait_for(lambda: house.rows(PARKED)[0][0] == waiting(house) > 0, 60)
            nothing_comes_in(house, client)
            relay.start()
            wait_for(partial(all_ended, house), 90)
            assert house.counts() == {"completed": 2 * PHOTOS}
            assert house.rows(RESULTS) == [(2 * PHOTOS, 2 * PHOTOS)]
        finally:
            house.stop()


@contextmanager
def buckets(folder: Path) -> Iterator[bucket.Bucket]:
    made = bucket.start(folder)
    try:
        yield made
    finally:
        made.stop()


@contextmanager
def relayed(port: int) -> Iterator[Relay]:
    relay = Relay(port)
    try:
        yield relay
    finally:
        relay.kill()


def begin(house: House, client: httpx.Client, sent: dict[str, bytes]) -> None:
    """It is in the midst of these when this returns."""
    before = house.counts().get("completed", 0)
    house.send(client, sent)
    wait_for(lambda: house.counts().get("completed", 0) >= before + 2, 60, 0.05)


def waiting(house: House) -> int:
    counts = house.counts()
    return counts.get("new", 0) + counts.get("queued", 0)


def nothing_comes_in(house: House, client: httpx.Client) -> None:
    """Page and API, asked at once, answer 503 and say when it is worth to try again."""
    before = house.rows("SELECT count(*) FROM processing_upload")
    form, file = token(client.get("/").text), {"files": ("one-more.jpg", photo(1000))}
    signed = {"X-CSRFToken": form["csrfmiddlewaretoken"]}
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(client.post, "/", data={"model": "u2netp", **form}, files=file)
        api = client.post("/api/v1/jobs", files=file, headers=signed)
        page = asked.result()
    assert (page.status_code, api.status_code) == (503, 503)
    assert int(page.headers["Retry-After"]) > 0 < int(api.headers["Retry-After"])
    assert api.json()["code"] == "storage_unavailable"
    assert "Storage does not answer" in page.text
    assert house.rows("SELECT count(*) FROM processing_upload") == before
    assert house.counts().get("failed", 0) == 0


def test_photos_come_in_and_go_on_though_redis_goes_away_and_comes_back_empty(tmp_path: Path) -> None:
    queue = environment.start_redis(tmp_path)
    house = House(tmp_path, REDIS_URL=f"unix://{tmp_path / 'redis.sock'}", **QUICK)
    try:
        client = house.client()
        begin(house, client, photos(0))
        queue.kill()
        queue.wait()
        house.send(client, photos(PHOTOS))
        assert not all_ended(house)
        queue = environment.start_redis(tmp_path)
        wait_for(partial(all_ended, house), 90)
        assert house.counts() == {"completed": 2 * PHOTOS}
        assert house.rows(RESULTS) == [(2 * PHOTOS, 2 * PHOTOS)]
    finally:
        house.stop()
        queue.kill()
        queue.wait()
