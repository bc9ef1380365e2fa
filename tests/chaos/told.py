"""What the house tells of its photos: to programs, on pages, in ZIPs and CSVs, and to those who listen."""

import csv
import io
import json
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from email.message import Message
from typing import TYPE_CHECKING

from standardwebhooks.webhooks import Webhook

from processing.spreadsheet import OUTPUT
from tests.chaos.found import ENDED, Found, Row
from tests.chaos.load import sum_of

if TYPE_CHECKING:
    from tests.chaos.world import World

FLAGGED = "upload.needs_review"  # beside that it is completed


def jobs(world: "World", rows: list[Row], found: Found) -> None:
    """The API, the page, the ZIP and the CSV say what the rows say."""
    browser, still_open = world.house.client(), _still_open(world)
    for sent in world.sent:
        if sent.job in still_open and not sent.may_stay_open:
            found.lost.append(f"job {sent.job} of {sent} has not ended: it is open")
    for job in sorted({row.job for row in rows}):
        of_job = [row for row in rows if row.job == job]
        _counts(world, browser.get(f"/jobs/{job}/").text, job, of_job, found)
        _zip(world, job, of_job, found)
        if of_job[0].url:
            _csv(world, job, of_job, found)


def _still_open(world: "World") -> set[int]:
    return {pk for (pk,) in world.house.rows("SELECT id FROM processing_job WHERE is_open")}


def _counts(world: "World", page: str, job: int, rows: list[Row], found: Found) -> None:
    counts = {state: sum(row.status == state for row in rows) for state in ENDED}
    told = world.get(f"/api/v1/jobs/{job}").json()["counts"]
    shown = dict(re.findall(r'data-(completed|failed|cancelled|total)="(\d+)"', page))
    if told != {"new": 0, "queued": 0, "processing": 0, **counts}:
        found.wrong.append(f"the API tells {told} of job {job}, whose rows are {counts}")
    if {state: int(count) for state, count in shown.items()} != {**counts, "total": len(rows)}:
        found.wrong.append(f"the page shows {shown} of job {job}, whose rows are {counts}")


def _zip(world: "World", job: int, rows: list[Row], found: Found) -> None:
    data = world.get(f"/api/v1/jobs/{job}/results.zip").content
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        manifest = list(csv.reader(io.StringIO(archive.read("manifest.csv").decode("utf-8-sig"))))[1:]
        pictures = len(archive.namelist()) - 1
    states = Counter(line[2] for line in manifest)
    if states != Counter(row.status for row in rows) or pictures != states["completed"]:
        found.wrong.append(f"the ZIP of job {job} has {pictures} pictures, tells {states}, whose rows are {rows}")


def _csv(world: "World", job: int, rows: list[Row], found: Found) -> None:
    """Each line has its photo's state, and the address of its result, which works without signing in."""
    data = world.get(f"/api/v1/jobs/{job}/results.csv?details=true").content
    lines = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    told = sorted((line["Input Image Urls"], line["Status"]) for line in lines)
    if told != sorted((row.url, row.status) for row in rows):
        found.wrong.append(f"the CSV of job {job} tells {told}, whose rows are {rows}")
    for line in lines:
        if line["Status"] == "completed" and sum_of(world.stranger.get(line[OUTPUT]).content) != line["SHA256"]:
            found.wrong.append(f"{line[OUTPUT]} in the CSV of job {job} leads to another picture")


# ---- webhooks --------------------------------------------------------------------------------------------------------


def webhooks(world: "World", rows: list[Row], found: Found) -> None:
    """Each end was told, as one event, by somebody who knows the secret."""
    heard = defaultdict(set)
    for one in world.receiver.got:
        body = json.loads(one.body)
        heard[body["type"], body["data"].get("upload_id", body["data"]["job_id"])].add(one.headers["webhook-id"])
        if not _is_signed(world.secret, one.headers, one.body):
            found.wrong.append(f"a webhook does not verify: {body}")
    ends = set(_ends(world, rows))
    for what in ends:
        if len(heard[what]) != 1:
            kind = found.doubled if heard[what] else found.lost
            kind.append(f"{what} was told as {len(heard[what])} events")
    known = {"upload": {row.id for row in rows}, "job": {row.job for row in rows}}
    for kind, pk in heard.keys() - ends:
        if heard[kind, pk] and kind != FLAGGED and pk in known[kind.partition(".")[0]]:
            found.wrong.append(f"{(kind, pk)} was told, and is not so")


def _ends(world: "World", rows: Iterable[Row]) -> Iterable[tuple[str, int]]:
    jobs = defaultdict(set)
    for row in rows:
        yield f"upload.{row.status}", row.id
        jobs[row.job].add(row.status)
    still_open = _still_open(world)
    for job, states in jobs.items():
        if job not in still_open:
            yield f"job.{'completed' if 'completed' in states else 'failed'}", job


def _is_signed(secret: str, headers: Message, body: bytes) -> bool:
    """As `Webhook.verify` judges it, but for its age: a long run ends later."""
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    return Webhook(secret).sign(headers["webhook-id"], at, body.decode()) in headers["webhook-signature"].split()
