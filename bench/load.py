"""What script/load does: many people at once in a house of its own, then pages whose web process is killed under them.

Writes bench/load.json and its part of docs/performance.md.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import psutil

from bench import heard, performance
from bench.goals import place
from bench.ground import say
from bench.heard import Answer
from bench.storm import storm
from tests.environment import DATA, ROOT
from tests.house import House

LOCUST, VERSION = Path(__file__).with_name(".locust"), "locust==2.47.0"
AS_PEOPLE_HAVE_IT = {"PHOTO_SPARE_WORKERS": "1", "PHOTO_API_RATE": "50/second;1200/minute"}
LOOK = 2.0  # seconds between two looks at the memory of web
JOBS = "SELECT username, processing_job.id FROM processing_job JOIN auth_user ON auth_user.id = owner_id"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of the people for a tenth of the time")
    quick = parser.parse_args().quick
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of those who stop the house
    found = measured(people=50, seconds=30, pages=125) if quick else measured(people=200, seconds=300, pages=500)
    print("\n" + heard.section(found))
    if not quick:
        heard.LOAD.write_text(json.dumps(found, indent=1) + "\n")
        performance.write(json.loads(performance.LATEST.read_text()))
        say(f"{heard.LOAD.name} and {performance.PAGE.name} are written")


def make_locust() -> None:
    """In a folder of its own, where it is not there yet. In .venv its brotli would be found when static files are
    packed, which takes another 15 s of a core at the start of each house."""
    stamp = LOCUST / "made"
    if not stamp.exists() or stamp.read_text() != VERSION:
        say(f"Installing {VERSION} into {LOCUST}")
        shutil.rmtree(LOCUST, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", "constraints.txt"]
        subprocess.run([*pip, "--target", LOCUST, VERSION], stdout=sys.stderr, cwd=ROOT, check=True)
        stamp.write_text(VERSION)


def measured(people: int, seconds: int, pages: int) -> dict[str, Any]:
    make_locust()
    asked = {**place(), "people": people, "seconds": seconds, "pages": pages}
    house = House(DATA, **AS_PEOPLE_HAVE_IT)
    try:
        cookies = signed_in(house, people)
        say(f"{people} people come, and stay for {seconds} s")
        with memory_of_web(house) as memory:
            began, answers = at_work(house, cookies, seconds)
        say(f"{pages} pages are open, and web is killed")
        opened = [(f"/jobs/{job}/", cookies[owner]) for owner, job in islice(cycle(house.rows(JOBS)), pages)]
        stormed = asyncio.run(storm(house.url, opened, web(house).kill))
    finally:
        house.stop()
    return asked | heard.told(answers + stormed.answers, memory, began, stormed.back)


def signed_in(house: House, count: int) -> dict[str, str]:
    """New people: the cookie of each one's session by their name."""
    os.environ |= house.env | {"DJANGO_SETTINGS_MODULE": "photoproc.settings"}
    import django

    django.setup()
    from django.contrib.auth.models import User

    from bench import answered

    people = User.objects.bulk_create(User(username=f"person-{number}") for number in range(count))
    with answered.signed_in(*people) as clients:
        return {one.username: client.cookies["sessionid"].value for one, client in zip(people, clients, strict=True)}


def at_work(house: House, cookies: dict[str, str], seconds: int) -> tuple[float, list[Answer]]:
    """The moment when all people were there, and what they were answered."""
    command = [sys.executable, "-m", "bench.people", house.url, str(seconds)]
    sessions, env = json.dumps([*cookies.values()]), {**os.environ, "PYTHONPATH": str(LOCUST)}
    done = subprocess.run(command, input=sessions, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return found["began"], [Answer(*one) for one in found["answers"]]


@contextmanager
def memory_of_web(house: House) -> Iterator[list[tuple[float, float]]]:
    """Its moments and MB meanwhile."""
    process, seen, over = web(house), list[tuple[float, float]](), threading.Event()

    def look() -> None:
        while not over.wait(LOOK):
            seen.append((time.time(), process.memory_info().rss / 1e6))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


def web(house: House) -> psutil.Process:
    return house.processes("uvicorn")[0]


if __name__ == "__main__":
    main()
