"""The filter of the queue page: how it is read and told, and which photos it names."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from processing import ledger, query
from processing.errors import PhotoError
from processing.models import Status, Upload
from processing.query import Query
from processing.recipe import Recipe
from tests import make

NOW = timezone.now
plain = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters='":'), min_size=1, max_size=8)
words = plain | st.lists(plain, min_size=2, max_size=3).map(" ".join) | plain.map("{0}:{0}".format)
ages = st.none() | st.integers(0, 36_500 * 86_400).map(lambda seconds: timedelta(seconds=seconds))


def failed(owner: User, code: str = "timeout", **values: Any) -> Upload:
    return make.upload(owner, status=Status.FAILED, error_code=code, **{"finished_at": NOW(), **values})


def named(text: str) -> set[int]:
    return set(query.read(text).rows().values_list("pk", flat=True))


def ago(**age: float) -> Any:
    return NOW() - timedelta(**age)


# ---- reading --------------------------------------------------------------------------------------------------------


def test_it_is_read_as_it_is_typed() -> None:
    text = 'red state:failed error:timeout older:90m owner:kim job:#412 model:u2netp host:IMG.example.com "left shoe"'
    assert query.read(text) == Query(
        "failed", "timeout", "kim", 412, "u2netp", "img.example.com", timedelta(minutes=90), None, ("red", "left shoe")
    )


@pytest.mark.parametrize(("age", "told"), [
    ("30s", "30s"), ("60s", "1m"), ("15m", "15m"), ("90m", "90m"), ("24h", "1d"), ("2d", "2d"), ("0d", "0s"),
])  # fmt: skip
def test_an_age_is_told_in_the_largest_unit_that_fits(age: str, told: str) -> None:
    assert str(query.read(f"older:{age}")) == f"older:{told}"


@given(st.builds(
    Query, state=st.sampled_from(["", *query.STATES]), error=st.sampled_from(["", "timeout", "no_face_found"]),
    owner=st.just("") | st.from_regex(r"\A[\w.@+-]{1,20}\Z"), job=st.none() | st.integers(1, 2**63 - 1),
    model=st.sampled_from(["", "u2netp", "isnet-general-use"]),
    host=st.just("") | st.from_regex(r"\A[a-z0-9.-]{1,30}\Z"), older=ages,
    words=st.lists(words, max_size=4).map(tuple),
))  # fmt: skip
def test_what_is_told_reads_back_to_the_same(made: Query) -> None:
    assert query.read(str(made)) == made


@given(st.text(max_size=60))
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    with suppress(PhotoError):
        found = query.read(text)
        assert query.read(str(found)) == found


@pytest.mark.parametrize(("text", "reason"), [
    ("colour:red", "colour: is none of state, error, owner, job, model, host, older, newer"),
    (":red", "Nothing: is none of"),
    ("state:failed state:new", "state: can stand there once"),
    ("state:lost", "lost does not fit state:"),
    ("state:", "Nothing does not fit state:"),
    ("error:Time-out", "Time-out does not fit error:"),
    ("owner:a\x01b", "does not fit owner:"),
    ("job:ten", "ten does not fit job:"), ("job:0", "0 does not fit job:"), (f"job:{10**30}", "does not fit job:"),
    ("host:a/b", "a/b does not fit host:"), ("model:a/b", "a/b does not fit model:"),
    ("older:soon", "soon does not fit older:"), ("newer:-1h", "-1h does not fit newer:"),
    ("older:9999999999d", "does not fit older:"), ("older:1.5h", "1.5h does not fit older:"),
    ("older:1d newer:24h", "Nothing is older than 1d and newer than 1d"),
    ('"red', 'A quotation mark " is not closed'), ('re"d', 'A quotation mark " is not closed'),
    ("a\0b", "cannot be kept"), ("\ud800", "cannot be kept"),
    ("x" * 501, "500 characters at most"), ("a " * 11, "10 words at most"),
])  # fmt: skip
def test_nonsense_is_refused_in_a_sentence(text: str, reason: str) -> None:
    with pytest.raises(PhotoError) as caught:
        query.read(text)
    assert caught.value.code == "invalid_filter"
    assert reason in caught.value.message


# ---- which photos ---------------------------------------------------------------------------------------------------


@pytest.fixture
def one(bob: User) -> Upload:
    """A photo that is none of those that are looked for."""
    return failed(bob, "no_face_found", finished_at=ago(days=3), name="odd.jpg", host="odd.example.com")


@pytest.mark.parametrize("by", ["error:timeout", "owner:alice", "job:", "host:img.example.com", "newer:1d", "PHOTO-0"])
def test_each_part_names_what_it_says(by: str, alice: User, one: Upload) -> None:
    wanted = failed(alice, host="img.example.com")
    assert named(f"state:failed {by}{wanted.job_id if by == 'job:' else ''}") == {wanted.pk}
    assert named("state:failed") == {wanted.pk, one.pk}


def test_words_stand_in_the_name_of_the_photo_or_of_its_job_each_somewhere(alice: User, one: Upload) -> None:
    wanted = make.job(alice, name="100% left shoe").uploads.get()
    assert named("photo-0 shoe") == named('"100% left"') == {wanted.pk}
    assert named("odd shoe") == named("100_") == set()


def test_every_state_can_be_asked_for(alice: User) -> None:
    made = {status: make.upload(alice, status=status, finished_at=NOW()).pk for status in Status.values}
    made["review"] = make.upload(alice, status=Status.COMPLETED, finished_at=NOW(), needs_review=True).pk
    made["parked"] = make.upload(alice, waits_for="storage").pk
    both = {"completed": {made["review"]}, "queued": {made["parked"]}}
    for state in query.STATES:
        assert named(f"state:{state}") == {made[state]} | both.get(state, set())


def test_an_error_alone_is_that_of_failed_photos(alice: User) -> None:
    wanted = failed(alice)
    again = make.upload(alice, error_code="timeout")  # it is tried again
    assert named("error:timeout") == {wanted.pk}
    assert named("state:queued error:timeout") == {again.pk}


def test_the_model_is_that_of_the_photo_s_own_recipe_or_of_its_job_s(alice: User) -> None:
    cut = Recipe(remove_bg=True, model="u2netp")
    job = make.job(alice, 2, recipe=cut)
    first, other = job.uploads.order_by("position")
    Upload.objects.filter(pk=other.pk).update(recipe=Recipe(model="silueta").to_json())
    make.job(alice, recipe=Recipe(remove_bg=False, model="u2netp"))  # it is not used
    assert named("model:u2netp") == {first.pk}
    assert named("model:silueta") == {other.pk}


@pytest.mark.parametrize(("state", "moment"), [
    ("failed", "finished_at"), ("cancelled", "finished_at"), ("completed", "finished_at"), ("processing", "started_at"),
    ("queued", "queued_at"), ("new", "queued_at"), ("new", "created_at"),
])  # fmt: skip
def test_a_photo_is_as_old_as_its_state(state: str, moment: str, alice: User) -> None:
    now: dict[str, Any] = dict.fromkeys(["created_at", "queued_at", "started_at", "finished_at"], NOW())
    if moment == "created_at":
        now["queued_at"] = None
    old = make.upload(alice, status=state, **{**now, moment: ago(hours=2)})
    new = make.upload(alice, status=state, **now)
    assert named(f"state:{state} older:1h") == named("older:1h") == {old.pk}
    assert named(f"state:{state} newer:1h") == named("newer:1h") == {new.pk}
    assert named("older:1h newer:3h") == {old.pk}


def test_photos_of_deleted_jobs_are_not_named(alice: User) -> None:
    gone = failed(alice)
    gone.job.deleted_at = NOW()
    gone.job.save()
    assert named("state:failed") == set()


# ---- what matched before --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "values"), [
    ("state:failed", {"status": "failed", "finished_at": NOW}),
    ("state:queued", {"status": "queued", "queued_at": NOW}),
    ("state:processing", {"status": "processing", "started_at": NOW}),
    ("state:parked", {"waits_for": "storage", "changed_at": NOW}),
    ("state:review", {"status": "completed", "needs_review": True, "changed_at": NOW}),
    ("state:queued error:timeout", {"error_code": "timeout", "changed_at": NOW}),
    ("", {"status": "cancelled", "finished_at": NOW}),
])  # fmt: skip
def test_what_came_to_match_since_is_left_out(text: str, values: dict[str, Any], alice: User) -> None:
    old = dict.fromkeys(["created_at", "queued_at", "started_at", "finished_at", "changed_at"], ago(hours=1))
    upload = make.upload(alice, **{**old, **{name: v() if callable(v) else v for name, v in values.items()}})
    assert not query.read(text).rows(ago(minutes=1)).exists()
    assert query.read(text).rows(NOW()).get() == upload


def test_ages_are_those_of_that_moment(alice: User) -> None:
    failed(alice, finished_at=ago(minutes=90))
    assert query.read("older:1h").rows(NOW()).exists()
    assert not query.read("older:1h").rows(ago(minutes=45)).exists()


# ---- a page at a time -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["state:failed", "owner:alice"])
def test_pages_follow_each_other_newest_first(text: str, alice: User) -> None:
    made = make.job(alice, 5).uploads.order_by("pk")
    at = ago(hours=1)
    for number, upload in enumerate(made):  # two at the same moment
        Upload.objects.filter(pk=upload.pk).update(status="failed", finished_at=at + timedelta(minutes=number // 2))
    expected, found, after = [upload.pk for upload in reversed(made)], [], ""
    for size in (2, 2, 1):
        uploads, after = query.page(query.read(text), after, 2)
        assert len(uploads) == size
        found += [upload.pk for upload in uploads]
    assert (found, after) == (expected, "")


def test_a_page_goes_on_where_it_was_though_its_last_photo_is_gone(alice: User) -> None:
    for minutes in range(4):
        failed(alice, finished_at=ago(minutes=minutes))
    first, after = query.page(query.read("state:failed"), "", 2)
    ledger.retry(Upload.objects.filter(pk=first[1].pk))
    second, _ = query.page(query.read("state:failed"), after, 2)
    assert len({*second} - {*first}) == 2


@pytest.mark.parametrize("after", ["x", "1-2-3", "7", f"{10**30}-1", "-1"])
def test_a_page_that_was_not_named_is_refused(after: str, db: None) -> None:
    with pytest.raises(PhotoError, match="invalid_filter"):
        query.page(query.read("state:failed"), after, 2)


def test_a_page_takes_two_queries(alice: User, django_assert_num_queries: Callable[..., Any]) -> None:
    make.job(alice, 6)
    with django_assert_num_queries(2):
        uploads, _ = query.page(query.read("state:queued owner:alice"), "", 5)
        assert [upload.job.owner.username for upload in uploads] == ["alice"] * 5


@pytest.mark.skipif(connection.vendor != "sqlite", reason="how SQLite goes about it")
@pytest.mark.parametrize("text", ["state:failed", "error:timeout", "state:failed job:1", "state:failed owner:kim"])
def test_photos_are_counted_in_an_index_alone(text: str, db: None) -> None:
    rows = query.read(text).rows().order_by().values("pk")
    plan = rows.explain().splitlines()
    assert any("processing_upload USING COVERING INDEX" in line for line in plan), plan
