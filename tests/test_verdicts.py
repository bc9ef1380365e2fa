"""What somebody says of results, and how it is taken back."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import QuerySet
from pydantic import ValidationError

from processing import backgrounds, ledger, verdicts
from processing.errors import PhotoError
from processing.models import Event, Status, Upload
from processing.recipe import Recipe
from tests import make
from tests.conftest import picture

CUT_OUT = Recipe(model="u2netp", crop_face=True)
ROWS = Upload.objects.order_by("pk")


def done(upload: Upload, *reasons: str) -> None:
    claim = ledger.claim(upload.pk)
    assert claim
    ledger.finish(claim, [], {"review": list(reasons)})


@pytest.fixture
def flagged(alice: User) -> "QuerySet[Upload]":
    """Two completed photos that are to be reviewed."""
    rows = make.job(alice, 2, recipe=CUT_OUT).uploads.order_by("pk")
    for upload in rows:
        done(upload, "19% of the edge is unsure.")
    return rows.all()


def states(rows: "QuerySet[Upload]") -> list[tuple[Any, ...]]:
    return list(rows.values_list("status", "needs_review", "verdict"))


def test_accepting_takes_the_flag_away_and_undo_puts_it_back(flagged: "QuerySet[Upload]") -> None:
    first = flagged.filter(pk=flagged[0].pk)
    assert verdicts.accept(first) == 1
    assert states(flagged) == [("completed", False, "accepted"), ("completed", True, "")]
    assert verdicts.undo(first) == 1
    assert states(flagged) == [("completed", True, "")] * 2
    assert flagged[0].review_reason == "19% of the edge is unsure."


def test_only_what_is_flagged_is_accepted(alice: User) -> None:
    make.upload(alice, status="completed")
    make.upload(alice, status="queued", needs_review=True)
    assert verdicts.accept(ROWS) == 0


def test_a_kept_original_keeps_its_background_and_is_not_flagged_again(flagged: "QuerySet[Upload]") -> None:
    assert verdicts.keep_original(flagged) == 2
    for upload in flagged.all():
        assert upload.recipe == Recipe(**CUT_OUT.to_json() | verdicts.UNTOUCHED).to_json()
        assert (upload.recipe["remove_bg"], upload.recipe["shadow"], upload.recipe["quality"]) == (
            False, "none", CUT_OUT.quality,
        )  # fmt: skip
        done(upload, "It touches the left side.")
    assert states(flagged) == [("completed", False, "original")] * 2


def test_a_redo_changes_of_each_photos_own_recipe_what_is_asked_alone(alice: User) -> None:
    for quality in (40, 70):
        make.upload(alice, status="completed", recipe=Recipe(remove_bg=False, quality=quality).to_json())
    make.upload(alice, status="completed")
    assert verdicts.redo(ROWS, {"format": "webp"}) == 3
    found = [Recipe(**recipe) for recipe in ROWS.values_list("recipe", flat=True)]
    assert [(one.quality, one.format) for one in found] == [(40, "webp"), (70, "webp"), (85, "webp")]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"quality": 0}, ValidationError),
        ({"speed": "high"}, ValidationError),
        ({"remove_bg": True, "model": "birefnet-portrait"}, PhotoError),
    ],
)
def test_a_redo_that_cannot_be_done_changes_nothing(
    alice: User, changes: dict[str, Any], error: type[Exception]
) -> None:
    make.upload(alice, status="completed")
    with pytest.raises(error):
        verdicts.redo(ROWS, changes)
    assert states(ROWS) == [("completed", False, "")]


def test_undo_of_a_redo_that_has_not_ended_leaves_the_photo_as_it_was(flagged: "QuerySet[Upload]") -> None:
    before = states(flagged)
    verdicts.keep_original(flagged)
    assert verdicts.undo(flagged) == 2
    assert states(flagged) == before


def test_undo_of_a_redo_that_has_ended_makes_the_photo_as_it_was_made_before(flagged: "QuerySet[Upload]") -> None:
    verdicts.redo(flagged, {"refine": "matting"})
    for upload in flagged.all():
        done(upload)
    assert verdicts.undo(flagged) == 2
    assert {upload.recipe["refine"] for upload in flagged.all() if upload.recipe} == {"guided"}
    for upload in flagged.all():
        done(upload, "19% of the edge is unsure.")
    assert states(flagged) == [("completed", True, "")] * 2
    assert verdicts.undo(flagged.filter(pk=flagged[0].pk)) == 1, "and what was taken back can be asked for again"
    assert (flagged[0].status, (flagged[0].recipe or {})["refine"]) == (Status.QUEUED, "matting")


def test_taking_back_several_verdicts_at_once_tells_no_end_of_a_job_that_goes_on(flagged: "QuerySet[Upload]") -> None:
    first, second = flagged
    make.endpoint(first.job.owner, "https://shop.example.com/told")
    verdicts.redo(flagged.filter(pk=first.pk), {"refine": "matting"})
    done(first)
    Event.objects.all().delete()
    verdicts.redo(flagged.filter(pk=second.pk), {"refine": "matting"})
    assert verdicts.undo(flagged) == 2
    assert [status for status, *_ in states(flagged)] == ["queued", "completed"]
    assert not Event.objects.exists()


def test_the_last_verdict_is_taken_back_first(flagged: "QuerySet[Upload]") -> None:
    verdicts.redo(flagged, {"refine": "matting"})
    for upload in flagged.all():
        done(upload, "19% of the edge is unsure.")
    verdicts.accept(flagged)
    verdicts.undo(flagged)
    assert states(flagged) == [("completed", True, "")] * 2


def test_there_is_nothing_to_take_back_of_a_first_result(flagged: "QuerySet[Upload]") -> None:
    assert verdicts.undo(flagged) == 0
    assert states(flagged) == [("completed", True, "")] * 2


OF_AN_OLDER_VERSION = {"model": "nonesuch", "sparkle": 3, "quality": 60}


def test_a_photo_with_a_recipe_of_an_older_version_is_redone_with_what_still_fits(alice: User) -> None:
    make.upload(alice, status="completed", recipe=OF_AN_OLDER_VERSION)
    assert verdicts.keep_original(ROWS) == 1
    assert ROWS.get().recipe == Recipe(quality=60, remove_bg=False).to_json()


def test_the_background_of_a_redo_is_one_that_the_photos_owner_may_use(alice: User, bob: User) -> None:
    wall = backgrounds.accept(alice, SimpleUploadedFile("wall.jpg", picture()))
    changes = {"background": backgrounds.value_of(wall)}
    make.upload(bob, status="completed")
    with pytest.raises(PhotoError, match="background"):
        verdicts.redo(ROWS, changes)
    assert states(ROWS) == [("completed", False, "")]
    make.upload(alice, status="completed")
    assert verdicts.redo(ROWS.filter(job__owner=alice), changes) == 1


def test_what_cannot_be_made_as_before_any_more_is_not_taken_back(flagged: "QuerySet[Upload]") -> None:
    for upload in flagged:
        upload.facts["replaced"] = CUT_OUT.to_json() | {"model": "birefnet-portrait"}
        upload.save()
    Upload.objects.filter(pk=flagged[0].pk).update(status="queued")
    before = states(flagged)
    with pytest.raises(PhotoError, match="not installed"):
        verdicts.undo(flagged)
    assert states(flagged) == before
