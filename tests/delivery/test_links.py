"""Addresses of results that work without signing in: signed, short, revocable."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.signing import Signer
from django.urls import resolve
from django.utils import timezone

from processing.delivery import links
from processing.models import Job, OutputLinks, Upload, Variant
from tests.delivery import made


@pytest.fixture
def job(alice: User) -> Job:
    return made.job(alice)


def done(job: Job, name: str = "shoe.jpeg", format: str = "png") -> tuple[Upload, Variant]:
    upload = made.upload(job, name)
    return upload, made.variant(upload, "result", b"result", format)


def address(found: OutputLinks, upload: Upload, result: Variant) -> str:
    return links.address(found, upload.pk, upload.name, result.name, result.format)


def code_of(url: str) -> str:
    return str(resolve(urlsplit(url).path).kwargs["code"])


def test_an_address_leads_to_the_result_and_ends_in_its_name(job: Job, settings: Any) -> None:
    settings.URL = "https://photos.example.com"
    upload, result = done(job)
    url = address(links.make(job), upload, result)
    assert url.startswith("https://photos.example.com/links/")
    assert url.endswith("/processed_shoe.png")
    assert len(url) < 120
    file = links.opened(code_of(url))
    assert file
    assert (file.key, file.content_type, file.filename) == (result.key, "image/png", "processed_shoe.png")


def test_each_of_several_results_has_its_own(job: Job) -> None:
    upload, _ = done(job)
    second, tenth = (made.variant(upload, f"result-{number}", b"face", "webp") for number in (2, 10))
    made_links = links.make(job)
    for variant, name in ((second, "processed_shoe-2.webp"), (tenth, "processed_shoe-10.webp")):
        url = address(made_links, upload, variant)
        file = links.opened(code_of(url))
        assert url.endswith(f"/{name}")
        assert file
        assert (file.key, file.filename) == (variant.key, name)


@pytest.mark.parametrize(
    "name",
    ["a,b.jpg", "+1.jpg", "Schöne Tasse ☀.jpg", 'x"; y.jpg', "Ёлка 100%.jpg", "a?b#c.jpg", "=1+1.jpg", "a;b\t|c'.jpg"],
)
def test_no_name_breaks_a_cell_of_addresses(job: Job, name: str) -> None:
    url = address(links.make(job), *done(job, name))
    assert not set(url.partition("/processed_")[2]) & set(""" ,;"'+|\t#?&=""")
    file = links.opened(code_of(url))
    assert file
    assert resolve(urlsplit(url).path).url_name == "output"


def test_there_is_one_active_set_of_links(job: Job) -> None:
    assert links.of(job) is None
    first = links.make(job)
    assert (links.make(job), links.of(job)) == (first, first)
    assert first.expires_at is None


def test_new_links_take_the_place_of_the_old_ones(job: Job) -> None:
    upload, result = done(job)
    old = links.make(job)
    new = links.renew(job)
    assert links.of(job) == new != old
    assert links.opened(code_of(address(old, upload, result))) is None
    assert links.opened(code_of(address(new, upload, result)))


def test_revoked_links_open_nothing_and_keep_the_moment(job: Job) -> None:
    url, found = address(links.make(job), *done(job)), links.of(job)
    assert found
    assert links.revoke(found)
    found.refresh_from_db()
    assert found.revoked_at
    assert not links.revoke(found)
    assert OutputLinks.objects.get().revoked_at == found.revoked_at
    assert links.of(job) is None
    assert links.opened(code_of(url)) is None


def test_links_expire_where_that_is_set(job: Job, settings: Any) -> None:
    settings.LINK_DAYS = 7
    url, found = address(links.make(job), *done(job)), OutputLinks.objects.get()
    assert found.expires_at
    assert timedelta(days=6.9) < found.expires_at - timezone.now() < timedelta(days=7)
    assert links.opened(code_of(url))
    OutputLinks.objects.update(expires_at=timezone.now())
    assert links.opened(code_of(url)) is None
    assert links.of(job) is None
    assert links.make(job) != found


def test_a_deleted_job_opens_nothing_until_it_is_back(job: Job) -> None:
    code = code_of(address(links.make(job), *done(job)))
    Job.objects.update(deleted_at=timezone.now())
    assert links.opened(code) is None
    Job.objects.update(deleted_at=None)
    assert links.opened(code)


def test_a_result_that_is_gone_opens_nothing(job: Job) -> None:
    upload, result = done(job)
    code = code_of(address(links.make(job), upload, result))
    result.delete()
    assert links.opened(code) is None
    upload.delete()
    assert links.opened(code) is None


def test_what_a_redo_made_has_the_same_address(job: Job) -> None:
    upload, result = done(job)
    found = links.make(job)
    before = address(found, upload, result)
    after = address(found, upload, made.variant(upload, "result", b"another", "webp"))
    assert code_of(before) == code_of(after)
    file = links.opened(code_of(before))
    assert file
    assert file.filename == "processed_shoe.webp"


def test_links_open_only_what_is_of_their_job(job: Job, bob: User) -> None:
    other = made.job(bob)
    assert links.opened(code_of(address(links.make(job), *done(other)))) is None


TAMPERED = (
    "", ".", "1-1-1", "1-1-1.", "../1", "a" * 5000, "\x00", "1-1-1.ünicode", "９-1-1", "{code}x", "x{code}", "2{code}",
    "{code}.{code}", "{head}", "{tail}", "{head}.", "{head}:{tail}", "{other}.{tail}", "{head}.{swapped}",
)  # fmt: skip


@pytest.mark.parametrize("kind", TAMPERED)
def test_a_code_that_was_changed_never_reaches_the_database(
    kind: str, job: Job, django_assert_num_queries: Any
) -> None:
    code = code_of(address(links.make(job), *done(job)))
    head, _, tail = code.partition(".")
    assert links.opened(code)
    with django_assert_num_queries(0):
        tried = kind.format(code=code, head=head, tail=tail, swapped=tail.swapcase(), other=f"{head[:-1]}2")
        assert links.opened(tried) is None


def test_the_signature_is_of_this_door_alone(job: Job) -> None:
    code = code_of(address(links.make(job), *done(job)))
    assert links.opened(Signer(salt="another", sep=".").sign(code.partition(".")[0])) is None


def test_opening_takes_two_queries(job: Job, django_assert_num_queries: Any) -> None:
    code = code_of(address(links.make(job), *done(job)))
    with django_assert_num_queries(2):
        links.opened(code)
