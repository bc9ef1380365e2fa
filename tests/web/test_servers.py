"""Uploads and sockets through real servers: uvicorn, as `script/server` starts it, and daphne behind `runserver`."""

import io
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from socket import create_connection

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests import environment
from tests.conftest import picture
from tests.house import House, free_port, wait_for

# One group, so that one process starts the house and both servers.
pytestmark = [pytest.mark.any_database, pytest.mark.xdist_group("servers"), pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"), PHOTO_WORKERS="1")
    yield made
    made.stop()


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def server(request: pytest.FixtureRequest, house: House) -> Iterator[House]:
    """The same house, reached through either server."""
    if request.param == "uvicorn":
        yield house
        return
    before = house.url
    with runserver(house) as url:
        house.url = url
        yield house
    house.url = before


@contextmanager
def runserver(house: House) -> Iterator[str]:
    port = free_port()
    env = {**house.env, "PORT": str(port)}
    command = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
    with (house.folder / "runserver.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, cwd=environment.ROOT, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(f"{url}/health"), 60)
        assert b"daphne" in (house.folder / "runserver.log").read_bytes().lower()
        yield url
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"{name}.jpg", data)
    return out.getvalue()


def socket(house: House, client: httpx.Client, path: str) -> ClientConnection:
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    address = house.url.replace("http", "ws") + f"/live{path}"
    return connect(address, origin=Origin(house.url), additional_headers={"Cookie": cookies})


def test_photos_and_a_zip_go_in_and_come_out(server: House) -> None:
    client = server.client()
    files = {
        "one.jpg": picture(100, 80), "two.png": picture(120, 80, "PNG"), "not-a-photo.jpg": b"only text",
        "more.zip": zipped(three=picture(140, 90), four=picture(150, 90)),
        "large.jpg": picture(160, 90) + bytes(4_000_000),  # so that the form is parsed while it comes
    }  # fmt: skip
    path = server.send(client, files)
    wait_for(lambda: "5 of 5" in page_text(client, path), 60)
    page = client.get(path).text
    assert "not-a-photo.jpg" in page
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"{path}results.zip").content))
    assert sorted(archive.namelist()) == ["four.png", "large.png", "manifest.csv", "one.png", "three.png", "two.png"]


def page_text(client: httpx.Client, path: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", client.get(path).text).split())


def test_a_socket_shows_the_work_until_it_has_ended(server: House) -> None:
    client = server.client()
    path = server.send(client, {f"photo-{number}.jpg": picture(100 + number, 80) for number in range(4)})
    states = set()
    with socket(server, client, path) as made:
        end = time.monotonic() + 60
        while "4</b> of 4" not in (message := str(made.recv(timeout=30))):
            states |= set(re.findall(r'data-state="(\w+)"', message))
            assert time.monotonic() < end
    assert "processing" in states


def test_a_socket_of_nobody_is_refused(server: House) -> None:
    path = server.send(server.client(), {"photo.jpg": picture(100, 80)})
    with httpx.Client() as nobody, pytest.raises(InvalidStatus):
        socket(server, nobody, path)


def test_a_large_file_streams_out_in_ranges(server: House) -> None:
    client = server.client()
    path = server.send(client, {"photo.jpg": picture(1000, 800, quality=95)})
    pk = re.search(r"upload-card-(\d+)", client.get(path).text)
    assert pk
    answer = client.get(f"/photos/{pk[1]}/files/original", headers={"Range": "bytes=0-9"})
    assert (answer.status_code, len(answer.content)) == (206, 10)


def test_a_body_over_the_limit_is_refused_before_it_is_read(house: House) -> None:
    """By uvicorn: daphne reads a body wholly before anybody can look at it."""
    with create_connection(("127.0.0.1", house.port), timeout=20) as raw:
        raw.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {2 * 10**9}\r\n\r\nonly a part".encode())
        assert b" 413 " in raw.recv(200).splitlines()[0]


def test_a_stranger_cannot_fill_the_disk(house: House) -> None:
    with create_connection(("127.0.0.1", house.port), timeout=20) as raw:
        raw.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {5 * 10**6}\r\n\r\nonly a part".encode())
        answer = b"".join(iter(lambda: raw.recv(2000), b""))
    assert b" 401 " in answer.splitlines()[0]
    assert b"Sign in" in answer


def test_nor_can_one_that_says_no_length(house: House) -> None:
    answer = httpx.post(f"{house.url}/api/v1/uploads", content=(b"x" * 100_000 for _ in range(30)))
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
