"""script/audit, with the real pip-audit and an index of our own in the place of the public one."""

import json
import os
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pip._internal.models.index import PyPI

from tests import certificate
from tests.environment import ROOT

KNOWN = "PYSEC-2026-1"
FAULT = {"id": KNOWN, "aliases": ["CVE-2026-1"], "fixed_in": ["99"], "summary": "Lets anybody in."}
PINNED = {
    canonicalize_name(pin.name)
    for file in ("requirements.txt", "requirements-dev.txt", "constraints.txt")
    for line in re.findall(r"^\w.*", (ROOT / file).read_text(), re.MULTILINE)
    if (pin := Requirement(line)).marker is None or pin.marker.evaluate()
}


class Index(ThreadingHTTPServer):
    """A proxy that is itself whom it is asked for. It knows every version of every package, and no fault of any."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.context = context
        self.told: dict[str, tuple[int, list[dict[str, Any]]]] = {}  # of single packages: a status, and their faults
        self.asked: set[str] = set()


class Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Index

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.request = self.server.context.wrap_socket(self.connection, server_side=True)
        self.setup()
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def do_GET(self) -> None:
        name = self.path.split("/")[2]
        self.server.asked.add(name)
        status, faults = self.server.told.get(name, (200, []))
        body = json.dumps({"vulnerabilities": faults}).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index(certificate.serving(certificate.make(tmp_path, PyPI.netloc))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def audit(index: Index, folder: Path) -> "subprocess.CompletedProcess[str]":
    env = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "REQUESTS_CA_BUNDLE": str(folder / "certificate.pem"),
        "HTTPS_PROXY": f"http://127.0.0.1:{index.server_port}",
    }  # fmt: skip
    return subprocess.run([ROOT / "script/audit"], env=env, capture_output=True, text=True, check=False)


def test_all_is_well_where_every_package_was_looked_up_and_none_has_a_known_fault(tmp_path: Path, index: Index) -> None:
    done = audit(index, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "No known vulnerabilities found" in done.stderr
    assert index.asked == PINNED


@pytest.mark.parametrize("name", ["django", "pytest", "urllib3"], ids=["used", "of the tests", "comes along"])
def test_it_fails_where_one_has_a_known_fault(tmp_path: Path, index: Index, name: str) -> None:
    index.told[name] = 200, [FAULT]
    done = audit(index, tmp_path)
    assert done.returncode == 1
    assert f"{name} " in done.stdout
    assert KNOWN in done.stdout


@pytest.mark.parametrize("status", [404, 500])
def test_it_fails_where_one_could_not_be_looked_up(tmp_path: Path, index: Index, status: int) -> None:
    index.told["django"] = status, []
    assert audit(index, tmp_path).returncode == 1


def test_it_fails_where_nobody_can_be_asked(tmp_path: Path, index: Index) -> None:
    index.server_close()
    assert audit(index, tmp_path).returncode == 1
