"""Rows for tests, with real files behind them."""

from typing import Any

from django.contrib.auth.models import User

from processing import ledger, storage
from processing.models import Job, Upload
from processing.recipe import Recipe
from tests.conftest import picture

PLAIN = Recipe(remove_bg=False, model="u2netp", format="jpg")


def job(owner: User, photos: int = 1, *, recipe: Recipe = PLAIN, name: str = "Spring", **values: Any) -> Job:
    """A job of this person with so many queued photos."""
    made = Job.objects.create(owner=owner, name=name, recipe=recipe.to_json(), **values)
    add(made, photos)
    return made


def add(to: Job, photos: int) -> list[Upload]:
    first = to.uploads.count()
    return ledger.create([_upload(to, first + number) for number in range(photos)])


def _upload(to: Job, position: int) -> Upload:
    data = picture(width=80 + position % 7)
    stored = storage.write(storage.new_key(to.owner_id, to.pk, "originals", "jpeg"), [data])
    return Upload(
        job=to, position=position, name=f"photo-{position}.jpg", sent_name=f"photo-{position}.jpg", source=stored.key,
        source_format="jpeg", source_width=80, source_height=60, source_bytes=stored.bytes,
        source_sha256=stored.sha256,
    )  # fmt: skip


def upload(owner: User, **values: Any) -> Upload:
    """One queued photo in a job of its own."""
    made = job(owner).uploads.get()
    if values:
        Upload.objects.filter(pk=made.pk).update(**values)
        made.refresh_from_db()
    return made
