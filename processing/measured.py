"""What was measured on this machine. It holds as long as what it depends on is the same.

Each lies in a file of the data folder, and is measured anew where its file is removed.
"""

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Found = dict[str, Any]


def folder() -> Path | None:
    """None where no settings were read, and so nothing is remembered."""
    data = os.environ.get("PHOTO_DATA_DIR")
    return Path(data) / "measured" if data else None


def known(what: str, of: str) -> Found | None:
    """What was found when all that it depends on was `of`."""
    home = folder()
    return _found(home / f"{what}.json", of) if home else None


def once(what: str, of: str, measure: Callable[[], Found]) -> Found:
    """The same; it is measured where it is not known. Of several processes one does so, and the others wait for it."""
    home = folder()
    if home is None:
        return measure()
    if (found := known(what, of)) is not None:
        return found
    home.mkdir(exist_ok=True)
    with (home / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (found := known(what, of)) is None:
            found = measure()
            part = home / f"{what}.part"
            part.write_text(json.dumps({"of": of, "found": found}, indent=1))
            part.replace(home / f"{what}.json")
    return found


def forget(what: str) -> None:
    if home := folder():
        (home / f"{what}.json").unlink(missing_ok=True)


def _found(place: Path, of: str) -> Found | None:
    """None too where somebody damaged the file."""
    try:
        said = json.loads(place.read_text())
        return said["found"] if said["of"] == of and isinstance(said["found"], dict) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None
