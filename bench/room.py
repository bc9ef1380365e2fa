"""The figures of one room as JSON, from a process, a database and a Redis of its own: `-m bench.room NAME`."""

import argparse
import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path

from bench.figure import Asked, saved
from bench.ground import ground
from tests.environment import DATA


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of those who stop their houses
    with ground(DATA) as env:
        os.environ |= env
        import django

        django.setup()
        figures = import_module(f"bench.{asked.name}").measured(Asked(asked.photos, asked.quick))
    print(json.dumps(saved(figures)), flush=True)


if __name__ == "__main__":
    main()
