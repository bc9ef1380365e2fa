"""manage.py serve_samples: the photos that the sample CSV names."""

import csv
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from io import BytesIO

import httpx
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from PIL import Image

from processing.management.commands.serve_samples import NAMES, serve


@pytest.fixture(scope="module")
def samples() -> Iterator[httpx.Client]:
    with serve(0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}") as client:
            yield client
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", NAMES)
def test_each_sample_is_a_photo_of_its_type(samples: httpx.Client, name: str) -> None:
    answer = samples.get(f"/{name}?width=100")
    with Image.open(BytesIO(answer.content)) as image:
        assert answer.headers["content-type"] == image.get_format_mimetype()


def test_the_first_page_lists_them(samples: httpx.Client) -> None:
    page = samples.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert all(f'href="/{name}"' in page.text for name in NAMES)
    assert samples.head("/").content == b""


@pytest.mark.parametrize(
    "path", ["/not-there.png", "/moon.png", "/../__init__.py", "/%2e%2e/__init__.py", "//etc/passwd", "/coffee.png/.."]
)
def test_nothing_else_is_served(samples: httpx.Client, path: str) -> None:
    raw = HTTPConnection("127.0.0.1", samples.base_url.port)  # httpx would tidy the path up
    raw.request("GET", path)
    assert raw.getresponse().status == 404
    raw.close()


def test_a_port_that_is_taken_is_told() -> None:
    with serve(0) as server, pytest.raises(CommandError, match=f"^Port {server.server_port} cannot be had"):
        call_command("serve_samples", "--port", str(server.server_port))


def test_the_sample_csv_names_them() -> None:
    with (settings.ROOT / "examples" / "products.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    urls = ",".join(row["Input Image Urls"] for row in rows).split(",")
    right = [url.removeprefix("http://localhost:8001/") for url in urls if url.startswith("http://localhost:8001/")]
    assert {name for name in right if name not in NAMES} == {"not-there.png"}
    assert len(right) == len(urls) - 1  # so that both kinds of trouble show
    assert len(set(right)) < len(right)
