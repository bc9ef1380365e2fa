"""The same photo twice is worked on once: its files are linked, and each photo's can be deleted for itself."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from processing import catalogue, ledger, reuse, storage, tasks
from processing.models import Upload
from processing.pipeline import run as pipeline
from processing.recipe import Recipe
from processing.storage import disk
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The recipes that the pipeline was run with."""
    run, found = pipeline.run, list[str]()

    def running(source: bytes, recipe: Recipe, *rest: Any, **more: Any) -> pipeline.Outcome:
        found.append(recipe.format)
        return run(source, recipe, *rest, **more)

    monkeypatch.setattr(pipeline, "run", running)
    return found


def completed(owner: User, recipe: Recipe | None = None) -> Upload:
    upload = make.job(owner, recipe=recipe or make.PLAIN).uploads.get()
    tasks.process_upload(upload.pk)
    return Upload.objects.get(pk=upload.pk)


def files(upload: Upload) -> dict[str, bytes]:
    return {one.name: storage.read(one.key) for one in upload.variants.exclude(key="")}


def test_the_same_photo_twice_is_worked_on_once(
    alice: User, worked: list[str], as_user: Callable[[User], Client]
) -> None:
    first, second = completed(alice), completed(alice)
    assert len(worked) == 1
    assert (first.status, second.status) == ("completed", "completed")
    assert files(first) == files(second)
    assert second.facts["reused"] == first.pk
    assert second.facts["result_width"] == first.facts["result_width"]
    assert list(second.facts["timings"]) == ["reused"]
    page = as_user(alice).get(f"/photos/{second.pk}/").text
    assert "<dt>Made</dt><dd>Before, from the same photo with the same choices</dd>" in page


def test_each_keeps_its_files_when_the_other_is_deleted(alice: User, worked: list[str]) -> None:
    first, second = completed(alice), completed(alice)
    kept = files(second)
    storage.delete(first.variants.values_list("key", flat=True))
    assert files(second) == kept


def test_another_recipe_is_other_work(alice: User, worked: list[str]) -> None:
    completed(alice)
    completed(alice, make.PLAIN.model_copy(update={"format": "webp"}))
    assert len(worked) == 2


def test_another_persons_photo_is_other_work(alice: User, bob: User, worked: list[str]) -> None:
    completed(alice)
    completed(bob)
    assert len(worked) == 2


def test_other_weights_or_another_release_are_other_work(
    alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = ledger.claim(make.upload(alice).pk)
    assert claim
    recipe = Recipe(model="u2netp", crop_face=True)
    keys = {reuse.key_of(claim, recipe)}
    monkeypatch.setitem(catalogue.MODELS, "u2netp", catalogue.MODELS["u2net"])
    keys.add(reuse.key_of(claim, recipe))
    settings.VERSION = "99.0.0"
    keys.add(reuse.key_of(claim, recipe))
    assert len(keys) == 3


def test_files_that_are_gone_are_made_anew(alice: User, worked: list[str]) -> None:
    first = completed(alice)
    storage.delete([first.variants.get(name="result").key])
    second = completed(alice)
    assert len(worked) == 2
    assert "result" in files(second)
    assert "reused" not in second.facts


def test_results_that_are_kept_no_longer_are_not_reused(alice: User, worked: list[str]) -> None:
    first = completed(alice)
    ledger.remove_results(Upload.objects.filter(pk=first.pk))
    completed(alice)
    assert len(worked) == 2


def test_a_photo_made_anew_in_the_same_way_is_worked_on(alice: User, worked: list[str]) -> None:
    upload = completed(alice)
    ledger.redo(Upload.objects.filter(pk=upload.pk), make.PLAIN)
    tasks.process_upload(upload.pk)
    assert len(worked) == 2


def test_one_that_lost_its_files_in_between_is_not_reused(
    alice: User, worked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, find = completed(alice), reuse._same

    def late(*asked: Any) -> Upload | None:
        found = find(*asked)
        first.variants.all().delete()
        return found

    monkeypatch.setattr(reuse, "_same", late)
    assert "result" in files(completed(alice))
    assert len(worked) == 2


def test_one_that_a_worker_of_the_release_before_made_anew_is_not_reused(alice: User, worked: list[str]) -> None:
    first = completed(alice)
    other = make.PLAIN.model_copy(update={"format": "webp"}).to_json()
    Upload.objects.filter(pk=first.pk).update(facts=first.facts | {"recipe": other})  # which knows of no key
    completed(alice)
    assert len(worked) == 2


def test_a_linked_file_is_as_young_as_a_copy(alice: User) -> None:
    first = completed(alice)
    for one in first.variants.exclude(key=""):
        os.utime(disk.path(one.key), (0, 0))
    completed(alice)
    assert max(seen.age for seen in storage.files(str(alice.pk)) if "/results/" in seen.key) < 60
