"""What holds wherever files live: on a disk and in a bucket alike."""

import hashlib
import os
import threading
import zipfile
from collections.abc import Iterator
from io import BytesIO
from random import Random
from typing import Any

import pytest

from processing import storage
from processing.errors import PhotoError
from tests.bucket import Bucket

KEY = "7/412/originals/a.png"
DATA = Random(1).randbytes(700_000)  # more than one chunk


@pytest.fixture(params=["disk", "bucket"], autouse=True)
def place(request: pytest.FixtureRequest, db: None) -> Bucket | None:
    return request.getfixturevalue("bucket") if request.param == "bucket" else None


def chunks(data: bytes, size: int = 100_000) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def test_what_is_written_is_read_again() -> None:
    stored = storage.write(KEY, chunks(DATA))
    assert stored == storage.Stored(KEY, len(DATA), hashlib.sha256(DATA).hexdigest())
    assert storage.read(KEY) == DATA
    assert (storage.size(KEY), storage.holds(KEY)) == (len(DATA), True)


def test_a_file_may_be_empty() -> None:
    assert storage.write(KEY, []).bytes == 0
    assert (storage.read(KEY), storage.size(KEY)) == (b"", 0)
    with storage.opened(KEY) as file:
        assert file.read() == b""


@pytest.mark.parametrize("part", [range(1), range(5, 300_000), range(699_990, 700_000), range(3, 3)])
def test_a_part_of_a_file_is_fetched_alone(part: range) -> None:
    storage.write(KEY, [DATA])
    assert b"".join(storage.pieces(KEY, part)) == DATA[part.start : part.stop]


def test_a_part_past_the_end_is_what_there_is_of_it() -> None:
    storage.write(KEY, [b"photo"])
    assert b"".join(storage.pieces(KEY, range(3, 90))) == b"to"
    assert b"".join(storage.pieces(KEY, range(5, 90))) == b""


def test_pieces_are_small() -> None:
    storage.write(KEY, [DATA])
    assert {len(piece) <= storage.CHUNK for piece in storage.pieces(KEY)} == {True}


def test_a_file_is_read_in_any_order() -> None:
    storage.write(KEY, [DATA])
    with storage.opened(KEY) as file:
        assert file.seek(-10, os.SEEK_END) == len(DATA) - 10
        assert file.read() == DATA[-10:]
        file.seek(1000)
        assert (file.read(5), file.tell()) == (DATA[1000:1005], 1005)
        file.seek(5, os.SEEK_CUR)
        assert file.read(400_000) == DATA[1010:401_010]
        file.seek(0)
        assert file.read() == DATA


def test_a_zip_is_read_where_it_lies() -> None:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(20):
            archive.writestr(f"{number}.png", DATA[number * 1000 : number * 1000 + 9000])
    storage.write(KEY, [packed.getvalue()])
    with storage.opened(KEY) as file, zipfile.ZipFile(file) as archive:
        assert archive.read("7.png") == DATA[7000:16_000]
        assert archive.testzip() is None


def missing(what: str) -> Any:
    if what == "opened":
        with storage.opened(KEY) as file:
            return file.read()
    if what == "link":
        return storage.link(KEY, "7/412/results/b.png")
    return storage.read(KEY) if what == "read" else next(storage.pieces(KEY, range(5)))


@pytest.mark.parametrize("what", ["read", "pieces", "opened", "link"])
def test_a_file_that_is_not_there_is_said_to_be_missing(what: str) -> None:
    storage.write("7/412/originals/other.png", [b"1"])
    with pytest.raises(PhotoError, match="original_missing"):
        missing(what)
    assert (storage.size(KEY), storage.holds(KEY)) == (None, False)


def test_a_file_whose_sending_breaks_off_is_not_there() -> None:
    def broken() -> Iterator[bytes]:
        yield DATA
        raise PhotoError("failed_image_download", reason="It broke off")

    with pytest.raises(PhotoError, match="failed_image_download"):
        storage.write(KEY, broken())
    assert (storage.holds(KEY), list(storage.files("7/412"))) == (False, [])


def test_a_file_under_two_keys_outlives_either() -> None:
    storage.write(KEY, [DATA])
    storage.link(KEY, "7/412/results/b.png")
    storage.delete([KEY])
    assert (storage.holds(KEY), storage.read("7/412/results/b.png")) == (False, DATA)


def test_many_are_deleted_at_once_and_what_is_gone_is_no_matter() -> None:
    keys = [f"7/412/results/{number}.png" for number in range(4)]
    for key in keys:
        storage.write(key, [b"1"])
    storage.delete(["", *keys[:3], "7/412/results/never.png"])
    assert [seen.key for seen in storage.files("7/412")] == [keys[3]]


def test_a_job_is_deleted_with_all_its_files_and_no_other() -> None:
    for key in (KEY, "7/412/results/b.png", "7/4120/originals/c.png", "7/backgrounds/d.png"):
        storage.write(key, [b"1"])
    storage.delete_job(7, 412)
    assert sorted(storage.folders()) == ["7/4120", "7/backgrounds"]


def test_files_are_listed_with_their_sizes_and_ages() -> None:
    storage.write(KEY, [b"photo"])
    storage.write("7/412/results/b.png", [b"result"])
    found = {seen.key: seen for seen in storage.files("7/412")}
    assert {key: seen.bytes for key, seen in found.items()} == {KEY: 5, "7/412/results/b.png": 6}
    assert all(-60 < seen.age < 600 for seen in found.values())
    assert list(storage.files("7/9")) == []


def test_folders_of_jobs_and_of_people_are_told_apart_from_what_is_not_ours() -> None:
    for key in (KEY, "7/backgrounds/d.png", "8/incoming/e", "import/7/f.png", "7/lost+found/g.png"):
        storage.write(key, [b"1"])
    assert sorted(storage.folders()) == ["7/412", "7/backgrounds", "8/incoming"]
    assert (storage.untouched(7, 412, -60), storage.untouched(7, 412, 3600)) == (True, False)


@pytest.mark.parametrize("key", ["7/../../etc/passwd", "../a"])
def test_no_key_leads_out_of_the_folder(key: str) -> None:
    with pytest.raises(ValueError, match="is not a key"):
        storage.read(key)


def test_threads_write_and_read_at_once() -> None:
    def work(number: int) -> None:
        key = f"7/412/results/{number}.png"
        storage.write(key, [DATA[number:]])
        done[number] = storage.read(key) == DATA[number:]

    storage.settle()
    done: dict[int, bool] = {}
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(done.values()) == [True] * 8


def test_a_forked_process_makes_its_own_connections() -> None:
    storage.write(KEY, [DATA])
    reader, writer = os.pipe()
    if not (pid := os.fork()):
        try:
            os.write(writer, b"1" if storage.read(KEY) == DATA else b"0")
        finally:
            os._exit(0)
    assert storage.read(KEY) == DATA
    os.close(writer)
    os.waitpid(pid, 0)
    with os.fdopen(reader, "rb") as told:
        assert told.read() == b"1"


def test_it_answers() -> None:
    storage.check()
    storage.check_space(1000)
