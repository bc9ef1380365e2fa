"""Storage goes away for a while, as a disk that is not mounted: photos wait for it, and none fails."""

from pathlib import Path

import pytest

from tests.house import House, wait_for
from tests.reliability.test_kills import all_ended, photo

pytestmark = [
    pytest.mark.weights,
    pytest.mark.any_database,
    pytest.mark.xdist_group("kills"),
    pytest.mark.timeout(300),
]
PHOTOS, FAILURES = 10, 3
BREAKER = "SELECT state FROM processing_breaker WHERE name = 'storage'"
PARKED = "SELECT count(*) FROM processing_upload WHERE waits_for = 'storage'"


def test_photos_wait_for_storage_and_all_are_completed_when_it_is_back(tmp_path: Path) -> None:
    house = House(
        tmp_path, PHOTO_WORKERS="2", PHOTO_IO_WORKERS="1", PHOTO_RETRY_DELAY="1", PHOTO_BREAKER_PAUSE="1",
        PHOTO_BREAKER_FAILURES=str(FAILURES),
    )  # fmt: skip
    files, away = tmp_path / "files", tmp_path / "away"
    try:
        house.send(house.client(), {f"photo-{number}.jpg": photo(number) for number in range(PHOTOS)})
        wait_for(lambda: house.counts().get("completed", 0) >= 2, 60, 0.05)
        files.rename(away)
        files.mkdir()
        failures = wait_for(lambda: house.rows("SELECT failures FROM processing_breaker WHERE state = 'open'"), 60)
        wait_for(lambda: house.rows(PARKED)[0][0] == PHOTOS - house.counts().get("completed", 0), 30)
        more = f"SELECT 1 FROM processing_breaker WHERE failures > {failures[0][0]}"
        wait_for(lambda: house.rows(more), 30)  # one was let through, in vain
        assert not list(files.iterdir())
        assert house.counts().get("failed", 0) == 0
        files.rmdir()
        away.rename(files)
        wait_for(lambda: all_ended(house), 90)
        assert house.counts() == {"completed": PHOTOS}
        assert house.rows(BREAKER) == [("closed",)]
        spent = house.rows("SELECT sum(attempts - 1), max(attempts) FROM processing_upload")
        assert spent[0][0] < FAILURES, "only what failed before the breaker opened lost a try"
        assert spent[0][1] <= 2
    finally:
        house.stop()
