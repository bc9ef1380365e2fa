#!/usr/bin/env python3
"""Sends photos to a running photoproc in three ways, waits, saves what comes back, and says whether all went well.

    python examples/workflow.py --url http://127.0.0.1:8000 --token pho_… photo.jpg another.png

Needs httpx (pip install httpx). Without photos it takes those that scikit-image brings. It ends with 1 if one of the
three ways failed.
"""

import argparse
import io
import os
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

ENDED = ("completed", "failed", "cancelled")
LOOK = 0.5  # seconds between two looks
SAMPLES = ("astronaut.png", "chelsea.png", "coffee.png")


class House:
    """A running photoproc, as a program sees it."""

    def __init__(self, url: str, token: str, patience: float) -> None:
        self.patience = patience
        self.client = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1/", headers={"Authorization": f"Bearer {token}"}, timeout=60
        )

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer; too many requests are waited for. Raises SystemExit with the problem's own sentence."""
        while True:
            try:
                answer = self.client.request(method, path, **request)
            except httpx.TransportError as error:
                raise SystemExit(f"{self.client.base_url} does not answer: {error}") from None
            if answer.status_code != 429:
                break
            time.sleep(float(answer.headers.get("Retry-After", 1)))
        if answer.is_error:
            told = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
            raise SystemExit(f"{method} {path}: {answer.status_code} {told.get('code', '')} {told.get('detail', '')}")
        return answer

    def create(self, path: str, files: list[tuple[str, tuple[str, bytes]]], **fields: str) -> dict[str, Any]:
        """Hand files over. The key makes it harmless to send the same again after a broken line."""
        answer = self.ask("POST", path, files=files, data=fields, headers={"Idempotency-Key": uuid4().hex})
        return dict(answer.json())

    def wait(self, path: str, far: Callable[[dict[str, Any]], int], label: str) -> dict[str, Any]:
        """Look until it has ended. Raises SystemExit when it takes longer than there is patience for."""
        until = time.monotonic() + self.patience
        while time.monotonic() < until:
            told = dict(self.ask("GET", path).json())
            bar(label, far(told))
            if told["status"] in ENDED:
                sys.stderr.write("\n")
                return told
            time.sleep(LOOK)
        raise SystemExit(f"{label} took longer than {self.patience:.0f} s.")


@dataclass(frozen=True)
class Outcome:
    """What became of one way of sending."""

    way: str
    sent: int
    saved: int
    seconds: float

    @property
    def passed(self) -> bool:
        return self.sent == self.saved


def bar(label: str, percent: int) -> None:
    sys.stderr.write(f"\r{label:<7} [{'#' * (percent // 5):<20}] {percent:3d} %")
    sys.stderr.flush()


def keep(folder: Path, name: str, data: bytes) -> int:
    """Save a file; 1 when there is something in it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / Path(name).name).write_bytes(data)
    return int(bool(data))


def single(house: House, photos: list[Path], out: Path, recipe: dict[str, str]) -> int:
    """One photo, watched until its result can be fetched."""
    photo = photos[0]
    made = house.create("uploads", [("file", (photo.name, photo.read_bytes()))], **recipe)
    told = house.wait(f"uploads/{made['upload_id']}", lambda upload: int(upload["progress"]), "single")
    if not told["result"]:
        return 0
    result = house.ask("GET", told["result"]["url"])
    return keep(out / "single", f"{photo.stem}.{told['result']['format']}", result.content)


def many(house: House, photos: list[Path], out: Path, recipe: dict[str, str]) -> int:
    """Several photos in one job, each result fetched by itself."""
    made = house.create("jobs", [("files", (photo.name, photo.read_bytes())) for photo in photos], **recipe)
    house.wait(f"jobs/{made['job_id']}", lambda job: int(job["summary"]["percentage"]), "many")
    saved, page = 0, f"jobs/{made['job_id']}/uploads"
    while page:
        told = house.ask("GET", page).json()
        for upload in told["results"]:
            if file := upload["result"]:
                name = f"{Path(upload['name']).stem}.{file['format']}"
                saved += keep(out / "many", name, house.ask("GET", file["url"]).content)
        page = told["next"]
    return saved


def packed(house: House, photos: list[Path], out: Path, recipe: dict[str, str]) -> int:
    """A ZIP in, a ZIP out."""
    pack = io.BytesIO()
    with zipfile.ZipFile(pack, "w") as archive:
        for photo in photos:
            archive.write(photo, photo.name)
    made = house.create("jobs", [("files", ("photos.zip", pack.getvalue()))], **recipe)
    house.wait(f"jobs/{made['job_id']}", lambda job: int(job["summary"]["percentage"]), "ZIP")
    data = house.ask("GET", f"jobs/{made['job_id']}/results.zip").content
    keep(out, "results.zip", data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return sum(name != "manifest.csv" for name in archive.namelist())


def samples() -> list[Path]:
    spec = find_spec("skimage")
    if not spec or not spec.origin:
        raise SystemExit("Name the photos to send.")
    return [Path(spec.origin).parent / "data" / name for name in SAMPLES]


def table(outcomes: list[Outcome]) -> str:
    rows = [f"{'way':<8}{'sent':>6}{'saved':>7}{'seconds':>9}"]
    for one in outcomes:
        passed = "PASSED" if one.passed else "FAILED"
        rows.append(f"{one.way:<8}{one.sent:>6}{one.saved:>7}{one.seconds:>9.1f}  {passed}")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description="Sends photos to a running photoproc in three ways.")
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--url", default=os.environ.get("PHOTO_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--token", default=os.environ.get("PHOTO_TOKEN"), help="else PHOTO_TOKEN of the environment")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for what comes back")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="of the recipe: model=u2netp")
    parser.add_argument("--patience", type=float, default=600, help="seconds")
    asked = parser.parse_args()
    if not asked.token:
        parser.error("a token is needed: --token, or PHOTO_TOKEN")
    photos = asked.photos or samples()
    recipe = dict(pair.split("=", 1) for pair in asked.set)
    house, outcomes = House(asked.url, asked.token, asked.patience), []
    for way, work, count in (("single", single, 1), ("many", many, len(photos)), ("ZIP", packed, len(photos))):
        began = time.monotonic()
        saved = work(house, photos, asked.out, recipe)
        outcomes.append(Outcome(way, count, saved, time.monotonic() - began))
    print(table(outcomes))
    return 0 if all(one.passed for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
