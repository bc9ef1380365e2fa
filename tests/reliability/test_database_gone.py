"""The database goes away, killed and then frozen, in a whole house at work: every door says so, and nothing is lost."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from processing.errors import AGAIN
from tests import environment, postgres
from tests.house import House, token, wait_for
from tests.postgres import Postgres
from tests.reliability.test_kills import all_ended, photo

pytestmark = [
    pytest.mark.weights,
    pytest.mark.xdist_group("kills"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(environment.DATABASE not in os.environ, reason="of the run on PostgreSQL"),
]
PHOTOS = 16
DOORS = ("/", "/jobs/1/", "/jobs/1/changes", "/admin/", "/api/v1/jobs", "/ready")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Postgres]:
    made = postgres.start(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def house(tmp_path: Path, database: Postgres) -> Iterator[House]:
    quick = {"PHOTO_RETRY_DELAY": "1", "PHOTO_LEASE": "6", "PHOTO_HEARTBEAT": "2"}
    made = House(tmp_path, DATABASE_URL=f"{database.url}?connect_timeout=2", PHOTO_WORKERS="2", **quick)
    yield made
    made.stop()


def test_every_door_says_that_it_is_away_and_each_photo_ends_once(house: House, database: Postgres) -> None:
    client = house.client()
    house.send(client, {f"photo-{number}.jpg": photo(number) for number in range(PHOTOS)})
    fields = token(client.get("/").text)
    for number, (go, come) in enumerate(((database.kill, database.begin), (database.freeze, database.thaw)), start=1):
        wait_for(lambda: house.counts().get("completed", 0) >= 4 * number, 120)  # noqa: B023
        assert not all_ended(house), "all was over before it went away"
        said = [sent_meanwhile(client, fields, go), *map(client.get, DOORS)]
        assert {(answer.status_code, answer.headers["retry-after"]) for answer in said} == {(503, str(AGAIN))}
        assert all("database" in answer.text for answer in said)
        come()
    wait_for(lambda: all_ended(house), 150)
    house.send(client, {"after.jpg": photo(PHOTOS)})
    wait_for(lambda: all_ended(house), 60)
    assert house.counts() == {"completed": PHOTOS + 1}
    assert house.rows("SELECT count(*) FROM processing_variant WHERE name = 'result'") == [(PHOTOS + 1,)]
    assert len(list((house.folder / "files").glob("*/*/originals/*"))) == PHOTOS + 1
    assert not list((house.folder / "tmp").glob("*upload*"))
    assert client.get("/ready").status_code == 200
    assert "Traceback" not in house.log.read_text()


def sent_meanwhile(client: httpx.Client, fields: dict[str, str], go: Callable[[], None]) -> httpx.Response:
    """A photo is being sent while the database goes away."""
    asked = client.build_request("POST", "/", data=fields, files={"files": ("late.jpg", photo(99))})
    whole = asked.read()

    def body() -> Iterator[bytes]:
        yield whole[:1000]
        go()
        yield whole[1000:]

    headers = {name: asked.headers[name] for name in ("content-type", "content-length")}
    return client.post("/", content=body(), headers=headers)
