"""Small pictures that photos lack are made, once."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from PIL import Image

from processing import backfill, ledger, storage, tasks, variants
from processing.dispatch import Dispatcher
from processing.models import Milestone, Upload, Variant
from processing.recipe import Recipe
from processing.storage import disk
from tests import make

ALL = {"result", "source-thumbnail", "thumbnail", "preview", "source-preview", "web"}
WEB = Recipe(remove_bg=False, model="u2netp", format="png", variants=("thumbnail", "preview", "web"))


def bare(owner: User) -> Upload:
    """A completed photo whose small pictures are gone, as an older version left it."""
    upload = make.finish(make.job(owner, recipe=WEB).uploads.get())
    upload.variants.exclude(name="result").delete()
    return upload


def lacking(**options: Any) -> int:
    return sum(lacks for _, lacks in backfill.run(**options))


def io() -> None:
    for pk in Dispatcher().thumbnails():
        tasks.make_thumbnail(pk)


def test_what_is_missing_is_made_from_the_stored_files(alice: User) -> None:
    upload = bare(alice)
    assert lacking() == 5
    io()
    made = {one.name: one for one in upload.variants.filter(status=Variant.Status.COMPLETED)}
    assert set(made) == ALL
    result = made["result"]
    with Image.open(disk.path(made["web"].key)) as picture:
        assert (picture.format, picture.size) == ("WEBP", (result.width, result.height))
    assert made["source-preview"].bytes == disk.path(made["source-preview"].key).stat().st_size


def test_a_dry_run_only_counts_and_twice_is_once(alice: User) -> None:
    upload = bare(alice)
    assert lacking(dry_run=True) == 5
    assert upload.variants.count() == 1
    assert [lacking(), lacking()] == [5, 0]
    io()
    assert lacking() == 0


def test_one_that_was_killed_half_way_is_gone_on_with(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        bare(alice)
    monkeypatch.setattr(backfill, "HANDFUL", 1)
    steps = backfill.run()
    next(steps)
    steps.close()
    assert lacking() == 10


def test_what_waits_or_was_sent_without_small_pictures_lacks_only_its_tile(alice: User) -> None:
    waiting = make.upload(alice)
    plain = make.job(alice, recipe=WEB.model_copy(update={"variants": ()})).uploads.get()
    make.finish(plain).variants.filter(name="thumbnail").delete()
    Variant.objects.filter(name="source-thumbnail").delete()
    assert lacking() == 2
    assert {one.upload_id for one in Variant.objects.filter(name="source-thumbnail")} == {waiting.pk, plain.pk}


def test_each_result_of_a_photo_gets_its_own(alice: User) -> None:
    upload = bare(alice)
    first = upload.variants.get()
    second = storage.write(storage.new_key(alice.pk, upload.job_id, "results", "png"), [storage.read(first.key)])
    variants.keep(upload.pk, [variants.File("result-2", second, "png", first.width, first.height)])
    assert lacking() == 8
    io()
    assert {"thumbnail-2", "preview-2", "web-2"} <= set(upload.variants.values_list("name", flat=True))


def test_what_cannot_be_made_fails_once_and_for_all(alice: User) -> None:
    upload = bare(alice)
    storage.delete([upload.variants.get().key])
    lacking()
    io()
    failed = upload.variants.filter(status=Variant.Status.FAILED).values_list("name", flat=True)
    assert set(failed) == {"thumbnail", "preview", "web"}
    assert lacking() == 0


def test_a_new_result_that_comes_meanwhile_is_not_overwritten(
    alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    upload = bare(alice)
    lacking()
    pending = variants.claim(upload.variants.get(name="thumbnail").pk)
    assert pending
    ledger.redo(Upload.objects.filter(pk=upload.pk), WEB)
    tasks.process_upload(upload.pk)
    newer = upload.variants.get(name="thumbnail").key
    stale = storage.write(storage.new_key(alice.pk, upload.job_id, "results", "webp"), [b"stale"])
    with django_capture_on_commit_callbacks() as after:
        variants.made(pending, variants.File("thumbnail", stale, "webp", 1, 1))
        assert disk.path(stale.key).exists(), "no network while the photo is locked"
    for work in after:
        work()
    assert upload.variants.get(name="thumbnail").key == newer
    assert not disk.path(stale.key).exists()


def test_after_an_upgrade_it_is_done_once_by_itself(alice: User) -> None:
    upload = bare(alice)
    backfill.once()
    assert upload.variants.count() == 6
    Variant.objects.filter(name="web").delete()
    backfill.once()
    assert upload.variants.count() == 5
    assert Milestone.objects.get().name == backfill.MILESTONE


def test_the_newest_photos_do_not_wait_for_it(alice: User) -> None:
    old = bare(alice)
    lacking()
    fresh = make.upload(alice)
    first = Variant.objects.get(pk=Dispatcher().thumbnails()[0])
    assert (first.upload_id, old.pk < fresh.pk) == (fresh.pk, True)
