"""What a product CSV would do, told before Start: how much, from where, how long, and what is in its way."""

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.conf import settings
from django.db.models import Count

from processing import crew, queue
from processing.models import Job, Status, Upload
from processing.product_rows import CARRIED, LEFT_OUT, OPEN, RUNS

NEWEST = 500  # photos, whose seconds count
A_PHOTO = 0.5  # seconds at work, where none of its kind was measured yet: compressing 12 megapixels
A_FETCH = 0.5  # seconds of one photo's way here


@dataclass(frozen=True)
class Preflight:
    """`photos` are different addresses; `repeated` of them appear more than once, in `saved` places more.

    rows == ready + problems + carried + left_out. `seconds` is (least, most), None where nothing runs or nobody knows.
    """

    rows: int
    ready: int
    problems: int
    carried: int
    left_out: int
    skipped: int
    photos: int
    repeated: int
    saved: int
    hosts: int
    seconds: tuple[float, float] | None


def preflight(job: Job) -> Preflight:
    counts = job.rows.aggregate(
        rows=Count("pk"),
        ready=Count("pk", filter=RUNS),
        problems=Count("pk", filter=OPEN),
        carried=Count("pk", filter=CARRIED),
        left_out=Count("pk", filter=LEFT_OUT),
    )
    places: Counter[str] = Counter()
    for urls in job.rows.filter(RUNS).order_by().values_list("urls", flat=True).iterator():
        places.update(urls)
    hosts = Counter(url.split("/", 3)[2] for url in places)
    return Preflight(
        **counts, skipped=job.product_csv.skipped, photos=len(places),
        repeated=sum(1 for count in places.values() if count > 1), saved=places.total() - len(places),
        hosts=len(hosts), seconds=_seconds(job, hosts),
    )  # fmt: skip


def same_content(job: Job) -> int:
    """How many photos of the job hold, byte for byte, what another one of it holds too."""
    groups = job.uploads.exclude(source_sha256="").order_by().values("source_sha256")
    return sum(groups.annotate(photos=Count("pk")).filter(photos__gt=1).values_list("photos", flat=True))


def _seconds(job: Job, hosts: Counter[str]) -> tuple[float, float] | None:
    """Fetching and working go on side by side: at best the slower of them counts, at worst both."""
    photos, each = hosts.total(), _of_a_photo(job.recipe)
    if not photos or each is None:
        return None
    work = photos * each / max(1, crew.usual(queue.PHOTOS))
    fetch = A_FETCH * max(photos / settings.FETCHES, max(hosts.values()) / settings.FETCHES_PER_HOST)
    return 0.85 * max(work, fetch), 1.3 * (work + fetch)


def _of_a_photo(recipe: dict[str, Any]) -> float | None:
    """The median seconds at work of the newest photos that had to be cut out alike, or as little; None is not known."""
    done = Upload.objects.filter(status=Status.COMPLETED).order_by("-finished_at")
    took = [
        (finished - started).total_seconds()
        for started, finished, made_by in done.values_list("started_at", "finished_at", "facts__recipe")[:NEWEST]
        if started and finished and made_by and _kind(made_by) == _kind(recipe)
    ]
    return median(took) if took else None if recipe.get("remove_bg") else A_PHOTO


def _kind(recipe: dict[str, Any]) -> tuple[Any, ...]:
    """What makes most of a photo's time."""
    return (recipe.get("model"), recipe.get("refine")) if recipe.get("remove_bg") else ()
