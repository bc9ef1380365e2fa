"""Small pictures that photos should have and do not: they came from an older system or version. What is missing becomes
a pending row, which `io` works through; so it may be done twice, or be killed at any moment."""

from collections.abc import Generator, Sequence

from processing import queue, variants
from processing.errors import PhotoError
from processing.models import Milestone, Status, Upload, Variant
from processing.recipe import SIZES, Recipe, fitting, numbered
from processing.variants import SOURCE_THUMBNAIL

HANDFUL = 500  # photos that are looked at in one go
MILESTONE = "small pictures, 1"  # a version that wants other ones counts on: then it is done once by itself
THUMBNAIL = (SIZES["thumbnail"], SIZES["thumbnail"])
Box = tuple[int, int]  # the largest width and height, in px
Missing = list[tuple[int, str]]  # (upload, name of the small picture)


def run(*, dry_run: bool = False) -> Generator[tuple[int, int], None, None]:
    """Go through all photos; gives for each handful how many were looked at, and how many pictures they lack."""
    rows, last = Upload.objects.filter(job__deleted_at=None).select_related("job").order_by("pk"), 0
    while handful := list(rows.filter(pk__gt=last)[:HANDFUL]):
        last, lacks = handful[-1].pk, missing(handful)
        if lacks and not dry_run:
            variants.expect_all(lacks)
            queue.push()
        yield len(handful), len(lacks)


def once() -> None:
    """After an upgrade that needs it."""
    if not Milestone.objects.filter(name=MILESTONE).exists():
        for _ in run():
            pass
        Milestone.objects.get_or_create(name=MILESTONE)


def missing(uploads: Sequence[Upload]) -> Missing:
    """What these (with their job) lack. One that could not be made before is not tried again."""
    has: dict[int, set[str]] = {upload.pk: set() for upload in uploads}
    for pk, name in Variant.objects.filter(upload__in=uploads).values_list("upload_id", "name"):
        has[pk].add(name)
    return [(one.pk, name) for one in uploads for name in _wanted(one, has[one.pk]) if name not in has[one.pk]]


def origin(variant: Variant) -> tuple[str, Box]:
    """The key of the file that a small picture (with its upload and job) is made of, and how large it may become.

    Raises PhotoError `original_missing` when there is no such file, or the photo should have no such picture by now.
    """
    upload = variant.upload
    results = dict(upload.variants.exclude(key="").values_list("name", "key"))
    box = _wanted(upload, results).get(variant.name)
    number = variant.name.partition("-")[2]
    of_source = variant.name.startswith("source-")
    key = upload.source if of_source else results.get(numbered("result", int(number or 1)), "")
    if not box or not key:
        raise PhotoError("original_missing")
    return key, box


def _wanted(upload: Upload, has: "set[str] | dict[str, str]") -> dict[str, Box]:
    """Which small pictures an upload should have by its recipe, where it has the files of these names already."""
    found = {SOURCE_THUMBNAIL: THUMBNAIL} if upload.source else {}
    if upload.status != Status.COMPLETED or upload.results_removed_at:
        return found
    sizes = _recipe(upload).extra_sizes
    if upload.source and "preview" in sizes:
        found["source-preview"] = sizes["preview"]
    results = [int(name.partition("-")[2] or 1) for name in has if variants.is_result(name)]
    return found | {numbered(name, number): box for number in results for name, box in sizes.items()}


def _recipe(upload: Upload) -> Recipe:
    return fitting(upload.facts.get("recipe") or upload.recipe or upload.job.recipe)[0]
