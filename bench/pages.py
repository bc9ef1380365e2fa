"""P5 and P6: pages that hold much, as the server answers and a browser shows them; a change on its way there."""

import io
import itertools
from collections.abc import Iterable
from datetime import timedelta

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from PIL import Image
from playwright.sync_api import Page

from bench import answered, made
from bench.figure import Asked, Figure, p95
from bench.screen import LONG, elements, forget, screen, scroll, seen
from bench.taken import take
from bench.visitor import LIMITS, Visitor
from processing import storage
from processing.models import Job, Status, Upload, Variant
from processing.recipe import Recipe
from tests.environment import DATA
from tests.house import House

PHOTOS, JOBS, FEW = 5_000, 10_000, 10
RUNNING = 1_000  # photos of the job that runs while changes are watched …
WATCHED = 40  # … for so many seconds
MADE = {"source-thumbnail": 320, "source-preview": 1280, "thumbnail": 320, "preview": 1280, "result": 3000}  # px
AT_ONCE = {"PHOTO_WORKERS": "1", "PHOTO_ACCELERATOR": "processor"}  # it measures nothing before it starts
SMALL = (300, 200)  # px of the photos that run: many changes in little time


def measured(asked: Asked) -> list[Figure]:
    photos, jobs, running = (400, 200, 30) if asked.quick else (PHOTOS, JOBS, RUNNING)
    house = House(DATA, **LIMITS, **AT_ONCE, REDIS_URL=f"unix://{DATA / 'redis.sock'}", PHOTO_MAX_FILES=str(RUNNING))
    try:
        admin, few, many = User.objects.get(), User.objects.create_user("few"), User.objects.create_user("many")
        job, small = large(admin, photos, asked), large(few, FEW, asked)
        many_jobs(many, jobs)
        many_jobs(few, FEW)
        large_page, small_page, history = *(reverse("job", args=[of.pk]) for of in (job, small)), reverse("jobs")
        asked_for = [
            *_answered("P6-job", f"page of a job of {photos:,} photos", (admin, large_page), (few, small_page)),
            *_answered("P6-history", f"history of {jobs:,} jobs", (many, history), (few, history)),
        ]
        with screen(house.url) as shown:  # beside which no query may be asked: it has an event loop
            grid = _grid(shown, large_page, small_page)
            at = _watched(shown, house, running, asked)
        return [_changes(at, running), *asked_for, *grid]
    finally:
        house.stop()


# ---- rows -----------------------------------------------------------------------------------------------------------


def large(owner: User, photos: int, asked: Asked) -> Job:
    """A job in which all has ended, some of it badly; its thumbnails are real."""
    job = Job.objects.create(owner=owner, name=f"{photos:,} photos", recipe=Recipe().to_json())
    keys = list(_thumbnails(owner, job, asked))
    for first in range(0, photos, 1000):
        uploads = Upload.objects.bulk_create(_upload(job, at) for at in range(first, min(first + 1000, photos)))
        Variant.objects.bulk_create(
            Variant(upload=upload, name=name, status=Variant.Status.COMPLETED, key=keys[upload.position % len(keys)],
                    format="webp", width=px, height=px * 2 // 3, bytes=9000, sha256=f"{upload.position:064x}")
            for upload in uploads for name, px in MADE.items()
            if upload.status == Status.COMPLETED or name.startswith("source")
        )  # fmt: skip
    return job


def _upload(job: Job, at: int) -> Upload:
    now, failed, flagged = timezone.now(), at % 50 == 7, at % 40 == 3
    return Upload(
        job=job, position=at, name=f"photo-{at}.jpg", sent_name=f"photo-{at}.jpg", queued_at=now, started_at=now,
        status=Status.FAILED if failed else Status.COMPLETED, error_code="no_face_found" if failed else "",
        error_message="No face was found." if failed else "", needs_review=flagged and not failed,
        review_reason="19% of the edge is unsure." if flagged else "", source="originals/none.jpg", source_format="jpg",
        source_width=3000, source_height=2000, source_bytes=3_000_000, source_sha256=f"{at:064x}",
        finished_at=now - timedelta(seconds=at), changed_at=now - timedelta(hours=1),
        facts={"timings": {"read": 0.1, "background": 0.3, "write": 0.1}, "waited": 1.0, "model": "u2netp"},
    )  # fmt: skip


def _thumbnails(owner: User, job: Job, asked: Asked) -> Iterable[str]:
    for path, turn in itertools.product(made.sources(asked.photos), range(0, 360, 45)):
        to, picture = io.BytesIO(), Image.open(io.BytesIO(made.photo(path, 320, 213)))
        picture.rotate(turn).save(to, "WEBP", quality=80)
        yield storage.write(storage.new_key(owner.pk, job.pk, "variants", "webp"), [to.getvalue()]).key


def many_jobs(owner: User, count: int) -> None:
    """Of three photos each, newest last."""
    now, recipe = timezone.now(), Recipe().to_json()
    for first in range(0, count, 1000):
        numbers = range(first, min(first + 1000, count))
        jobs = Job.objects.bulk_create(
            Job(owner=owner, name=f"Job {number}", recipe=recipe, created_at=now - timedelta(minutes=count - number))
            for number in numbers
        )
        uploads = Upload.objects.bulk_create(_upload(job, at) for job in jobs for at in range(3))
        Variant.objects.bulk_create(
            Variant(upload=upload, name=name, status=Variant.Status.COMPLETED, key="variants/none.webp", format="webp",
                    width=320, height=213, bytes=9000, sha256=f"{at:064x}")
            for at, upload in enumerate(uploads) for name in ("source-thumbnail", "thumbnail")
        )  # fmt: skip


# ---- P6: as the server answers --------------------------------------------------------------------------------------


Seen = tuple[User, str]  # a page, by its path, and who looks at it


def _answered(name: str, about: str, many: Seen, few: Seen) -> list[Figure]:
    with answered.signed_in(many[0], few[0]) as clients:
        large, small = (answered.page(client, path) for client, (_, path) in zip(clients, (many, few), strict=True))
        queries = [answered.queries(page) for page in (large, small)]
        (grown, _) = take(large, small)
        took = answered.times(large)
    return [
        Figure(name, f"{about}, p95", p95(took), "ms", 200),
        Figure(f"{name}-queries", "queries", queries[0], "", queries[1], f"with {FEW} of them"),
        Figure(f"{name}-memory", "more memory", grown.megabytes, "MB", 50),
    ]


# ---- P6: as a browser shows them ------------------------------------------------------------------------------------


def _grid(page: Page, many: str, few: str) -> list[Figure]:
    """Opened, scrolled to its end, all of it selected."""
    page.goto(few, wait_until="networkidle")
    small = elements(page)
    page.goto(many, wait_until="networkidle")
    shown, most = seen(page)["lcp"], [elements(page)]
    forget(page)
    scroll(page, lambda: most.append(elements(page)))
    frames = seen(page)
    forget(page)
    page.locator(".photo .pick").last.click()
    page.get_by_role("button", name="Select all").click()
    page.wait_for_timeout(500)
    acted = seen(page)["events"]
    return [
        Figure("P6-grid", "the same in a browser, largest paint", shown, "ms", 1000),
        Figure("P6-grid-frames", "a frame while it is scrolled to its end, p95", p95(frames["frames"]), "ms", LONG),
        Figure("P6-grid-long", "longest task of it", max(frames["tasks"], default=0), "ms", 4 * LONG),
        Figure("P6-grid-select", "all selected, until it shows", max(acted, default=0), "ms", 200),
        Figure("P6-grid-elements", "elements in the page, at most", max(most), "", small, f"{FEW} photos", 20),
    ]


# ---- P5 -------------------------------------------------------------------------------------------------------------


def _watched(page: Page, house: House, photos: int, asked: Asked) -> dict[str, float]:
    """While a job runs: when the card of each photo said that it is completed, in ms since 1970."""
    visitor = Visitor(house, house.client(), itertools.count())
    data = made.photo(made.sources(asked.photos)[0], *SMALL)
    form = visitor.form({f"photo-{number}.jpg": data for number in range(photos)}, {"variants": ""})
    page.goto(visitor.send(form))
    page.locator('.photo[data-state="completed"]').first.wait_for()  # the worker has its model
    page.wait_for_timeout(1000 * (5 if asked.quick else WATCHED))
    at: dict[str, float] = seen(page)["at"]
    return at


def _changes(at: dict[str, float], photos: int) -> Figure:
    done = Upload.objects.filter(pk__in=at, status=Status.COMPLETED).values_list("pk", "finished_at")
    took = [at[str(pk)] - 1000 * finished.timestamp() for pk, finished in done if finished]
    about = f"change in the database to the screen, job of {photos:,} photos running, p95"
    return Figure("P5", about, p95(took), "ms", 300)
