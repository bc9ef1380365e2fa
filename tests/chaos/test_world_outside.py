"""What comes from outside is hostile, among what is good: files, hosts that photos come from, receivers of webhooks."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.chaos.conftest import Prove
from tests.chaos.harms import hostile_entries, hostile_photos
from tests.chaos.load import Sent, files, sums
from tests.chaos.world import World
from tests.house import wait_for
from tests.intake.packing import packed
from tests.receiver import ENDLESS

pytestmark = pytest.mark.xdist_group("chaos of places")

OF_FILES = {"failed_to_read_image", "archive_bomb"}  # the door refuses the others
OF_HOSTS = {
    "failed_image_download", "failed_to_read_image", "fetch_blocked_address", "fetch_timeout", "file_too_large",
    "invalid_file_type",
}  # fmt: skip
# Of tests/misbehaving.py; not /busy.jpg, whose host is left alone for two minutes, as it asks.
BAD_HOSTS = (
    "/missing.jpg", "/page.jpg", "/empty.jpg", "/damaged.jpg", "/endless.jpg", "/huge.jpg", "/loop.jpg",
    "/metadata.jpg", "/file.jpg", "/bomb.jpg", "/broken.jpg", "/cut.jpg", "/hang-up.jpg", "/silent.jpg",
)  # fmt: skip
BAD_RECEIVERS = ("/silent.jpg", "/hang-up.jpg", "/garbage.jpg", "/endless.jpg", "/broken.jpg", "/metadata.jpg")
FAILED = "SELECT {}, error_code FROM processing_upload WHERE status = 'failed' AND id > {}"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    quick = {"PHOTO_FETCH_SECONDS": "2", "PHOTO_IO_WORKERS": "3", "PHOTO_BREAKER_FAILURES": "50"}
    made = World(tmp_path_factory.mktemp("world"), **quick)
    yield made
    made.stop()


def posted(world: World, path: str, status: int, **what: Any) -> dict[str, Any]:
    answer = httpx.post(f"{world.house.url}/api/v1/{path}", headers=world.who, timeout=60, **what)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_hostile_files_come_among_good_ones(outside: World, prove: Prove) -> None:
    before, photos, entries = outside.last_upload, hostile_photos(), hostile_entries()

    def harm(world: World) -> None:
        world.may_fail = OF_FILES
        told = posted(world, "jobs", 202, files=files({**photos, "all.zip": packed(entries)}))
        assert told["accepted"] + len(told["refused"]) == told["received"] > told["accepted"] > 0
        world.sent.append(Sent("hostile files", {**sums(photos), **sums(entries), "": ""}))

    prove(outside, "hostile files among good ones", harm)
    assert {name for name, _ in outside.house.rows(FAILED.format("name", before))} <= {*photos, "climbs.jpg"}


def test_photos_come_from_hosts_that_misbehave(outside: World, prove: Prove) -> None:
    before = outside.last_upload
    bad = {outside.fetched.address(path, "localhost") for path in BAD_HOSTS}

    def harm(world: World) -> None:
        world.may_fail = OF_HOSTS
        lines = ["S. No.,Product Name,Input Image Urls", *(f"{number},Lamp,{url}" for number, url in enumerate(bad))]
        posted(world, "jobs", 202, files=files({"bad.csv": "\n".join(lines).encode()}))
        world.sent.append(Sent("bad hosts", dict.fromkeys(bad, "")))

    prove(outside, "hosts that misbehave", harm)
    assert {url for url, _ in outside.house.rows(FAILED.format("url", before))} == bad


def test_receivers_misbehave(outside: World, prove: Prove) -> None:
    """The one that comes to itself hears all that it missed; those that never do hold up nobody, and are removed."""

    def harm(world: World) -> None:
        world.receiver.answers = [500, 302, ENDLESS, 404, 200]
        heard = world.fetched.requests.total()
        urls = [world.fetched.address(path) for path in BAD_RECEIVERS]
        bad = [posted(world, "webhooks", 201, json={"url": url})["id"] for url in urls]
        wait_for(lambda: world.receiver.answers == [200] and world.fetched.requests.total() > heard, 60)
        for pk in bad:
            httpx.delete(f"{world.house.url}/api/v1/webhooks/{pk}", headers=world.who, timeout=60).raise_for_status()

    prove(outside, "receivers that misbehave", harm)
