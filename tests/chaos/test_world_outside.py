"""What comes from outside is hostile, among what is good: files, hosts that photos come from, receivers of webhooks."""

from typing import Any

import httpx
import pytest

from tests.chaos.conftest import Prove
from tests.chaos.harms import hostile_entries, hostile_photos
from tests.chaos.load import Sent, files, sums
from tests.chaos.world import World
from tests.house import House, wait_for
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
WRONG = (500, 302, ENDLESS, 404)  # answers
WAITING = "SELECT count(*) FROM processing_delivery WHERE delivered_at IS NULL AND endpoint_id = {}"


def failed(house: House, column: str, before: int) -> set[str]:
    """Of the photos that failed since the one with that id."""
    sql = f"SELECT {column} FROM processing_upload WHERE status = 'failed' AND id > {before}"
    return {found for (found,) in house.rows(sql)}


def posted(world: World, path: str, status: int, **what: Any) -> dict[str, Any]:
    answer = httpx.post(f"{world.house.url}/api/v1/{path}", headers=world.who, timeout=60, **what)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_hostile_files_come_among_good_ones(world: World, prove: Prove) -> None:
    before, photos, entries = world.last_upload, hostile_photos(), hostile_entries()

    def harm(world: World) -> None:
        world.may_fail = OF_FILES
        told = posted(world, "jobs", 202, files=files({**photos, "all.zip": packed(entries)}))
        assert told["accepted"] + len(told["refused"]) == told["received"] > told["accepted"] > 0
        world.sent.append(Sent("hostile files", {**sums(photos), **sums(entries), "": ""}))
        wait_for(lambda: sum(world.house.counts(str(told["job_id"])).values()) == told["accepted"], 60)

    prove(world, "hostile files among good ones", harm)
    assert set() < failed(world.house, "name", before) <= {*photos, "climbs.jpg"}


def test_photos_come_from_hosts_that_misbehave(world: World, prove: Prove) -> None:
    before = world.last_upload
    bad = {world.fetched.address(path, "localhost") for path in BAD_HOSTS}

    def harm(world: World) -> None:
        world.may_fail = OF_HOSTS
        lines = ["S. No.,Product Name,Input Image Urls", *(f"{number},Lamp,{url}" for number, url in enumerate(bad))]
        posted(world, "jobs", 202, files=files({"bad.csv": "\n".join(lines).encode()}))
        world.sent.append(Sent("bad hosts", dict.fromkeys(bad, "")))

    prove(world, "hosts that misbehave", harm)
    assert failed(world.house, "url", before) == bad


def asked(world: World) -> int:
    """How often a bad receiver was; the photos of people's CSVs come from the same server."""
    return sum(world.fetched.requests[path] for path in BAD_RECEIVERS)


def test_receivers_misbehave(world: World, prove: Prove) -> None:
    """The one that comes to itself hears all that it missed; those that never do hold up nobody, and are removed."""

    def harm(world: World) -> None:
        heard, hook = asked(world), f"webhooks/{world.hook}"
        urls = [world.fetched.address(path) for path in BAD_RECEIVERS]
        bad = [posted(world, "webhooks", 201, json={"url": url})["id"] for url in urls]
        posted(world, f"{hook}/pause", 200)
        wait_for(lambda: world.house.rows(WAITING.format(world.hook)) >= [(len(WRONG),)], 60)
        world.receiver.answers = [*WRONG, 200]  # each to another message: one that goes wrong twice waits for minutes
        posted(world, f"{hook}/resume", 200)
        wait_for(lambda: world.receiver.answers == [200] and asked(world) > heard, 60)
        for pk in bad:
            httpx.delete(f"{world.house.url}/api/v1/webhooks/{pk}", headers=world.who, timeout=60).raise_for_status()

    prove(world, "receivers that misbehave", harm)
