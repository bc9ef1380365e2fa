"""Output links: what the world gets at them, and the page that lists, revokes and renews them."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from processing import storage
from processing.delivery import links
from processing.models import Job, OutputLinks, Upload, Variant
from processing.storage import disk
from processing.web import downloads
from tests import make
from tests.bucket import Bucket
from tests.delivery import made
from tests.delivery.test_stream import open_files

SignIn = Callable[[User], Client]
CONTENT = b"a result, in a manner of speaking"


@pytest.fixture
def job(alice: User) -> Job:
    return make.products(alice, 1)


@pytest.fixture
def result(job: Job) -> Variant:
    Upload.objects.update(status="completed", name="Blue shoe.jpg")
    return made.variant(job.uploads.get(), "result", CONTENT, "webp")


@pytest.fixture
def path(job: Job, result: Variant) -> str:
    """The address of the result, without the host."""
    return urlsplit(links.address(links.make(job), result.upload_id, "Blue shoe.jpg", "result", "webp")).path


def answer(client: Client, path: str, **headers: str) -> tuple[Any, bytes]:
    """What comes, and its body, whether or not it streams."""
    response = client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return response, async_to_sync(body)(response) if response.streaming else response.content


async def body(response: Any) -> bytes:
    return b"".join([piece async for piece in response.streaming_content])


# ---- the door ------------------------------------------------------------------------------------------------------


def test_nobody_with_an_address_gets_the_file(path: str) -> None:
    response, content = answer(Client(), path)
    assert (response.status_code, content) == (200, CONTENT)
    assert response["Content-Type"] == "image/webp"
    assert response["Content-Disposition"] == 'inline; filename="processed_Blue shoe.webp"'
    assert response["X-Content-Type-Options"] == "nosniff"


def test_the_file_may_be_kept_and_shown_anywhere(path: str) -> None:
    response, _ = answer(Client(), path, Origin="https://shop.example.com", Sec_Fetch_Site="cross-site")
    assert response["Cache-Control"] == "public, max-age=3600"
    assert not response.cookies
    assert response.get("Vary") is None
    assert not response.has_header("Cross-Origin-Resource-Policy")


def test_who_comes_does_not_matter(path: str, bob: User, as_user: SignIn, django_assert_num_queries: Any) -> None:
    signed_in, stale = as_user(bob), Client()
    stale.cookies["sessionid"] = "of-long-ago"
    for client in (signed_in, stale):
        with django_assert_num_queries(2):
            response, content = answer(client, path)
        assert content == CONTENT
        assert not response.cookies
        assert response.get("Vary") is None


def test_what_is_known_already_is_not_sent_again(path: str) -> None:
    tag = answer(Client(), path)[0]["ETag"]
    response, content = answer(Client(), path, If_None_Match=tag)
    assert (response.status_code, content) == (304, b"")
    assert response["Cache-Control"] == "public, max-age=3600"


def test_a_range_and_a_head(path: str) -> None:
    response, content = answer(Client(), path, Range="bytes=2-7")
    assert (response.status_code, content) == (206, CONTENT[2:8])
    head = Client().head(path)
    assert (head.status_code, head["Content-Length"], head.content) == (200, str(len(CONTENT)), b"")
    assert Client().post(path).status_code == 405


def test_the_name_is_for_people_alone(path: str) -> None:
    assert answer(Client(), f"{path.rpartition('/')[0]}/anything.exe")[1] == CONTENT


def test_a_type_that_browsers_do_not_show_is_saved(path: str, result: Variant) -> None:
    Variant.objects.filter(pk=result.pk).update(format="tiff")
    response, _ = answer(Client(), path)
    assert response["Content-Disposition"] == 'attachment; filename="processed_Blue shoe.tiff"'


GONE: dict[str, Callable[[Job], object]] = {
    "revoked": lambda job: OutputLinks.objects.update(revoked_at=timezone.now()),
    "expired": lambda job: OutputLinks.objects.update(expires_at=timezone.now() - timedelta(seconds=1)),
    "of a deleted job": lambda job: Job.objects.update(deleted_at=timezone.now()),
    "without its job": lambda job: job.delete(),
    "without its file": lambda job: storage.delete([Variant.objects.get(name="result").key]),
    "without its result": lambda job: Variant.objects.all().delete(),
    "without its photo": lambda job: Upload.objects.all().delete(),
}


def plain(response: Any) -> dict[str, str]:
    """Its headers, but for the number that each request has."""
    return {name: value for name, value in response.headers.items() if name != "X-Request-ID"}


@pytest.mark.parametrize("way", GONE)
def test_all_that_is_gone_has_one_answer(way: str, path: str, job: Job) -> None:
    tampered, sentence = answer(Client(), path.replace("/processed", "x/processed"))
    GONE[way](job)
    for response, content in (answer(Client(), path), answer(Client(), path, If_None_Match="*")):
        assert (response.status_code, content) == (404, sentence)
        assert plain(response) == plain(tampered)
    assert sentence.decode() == "There is no such file, or its link was revoked."
    assert not tampered.cookies
    assert tampered["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "code", ["1", "1-1-1", "1-1-1.", ".", "a.b", "1-1-1.AAAA", "%00", "%2e%2e", "1-1-1%2Fx", "%F0%9F%91%9F", "x" * 3000]
)
def test_codes_that_nobody_signed_are_404(code: str, db: None) -> None:
    assert answer(Client(), f"/links/{code}/shoe.jpg")[0].status_code == 404


def test_one_address_says_nothing_of_another(path: str, job: Job, result: Variant) -> None:
    second = made.variant(made.upload(job, "other.jpg", url="https://img.example.com/2.jpg"), "result", b"other", "png")
    code = path.split("/")[2]
    head, _, signature = code.partition(".")
    hers, another = str(result.upload_id), str(second.upload_id)
    for other in (f"{head[:-1]}2", head.replace(f"-{hers}-", f"-{another}-")):
        assert other != head
        assert answer(Client(), f"/links/{other}.{signature}/shoe.jpg")[0].status_code == 404


# ---- a bucket -------------------------------------------------------------------------------------------------------


def test_from_a_bucket_everybody_gets_the_file_for_an_hour_at_most(bucket: Bucket, path: str, job: Job) -> None:
    answered = Client().get(path)
    assert (answered.status_code, answered["Cache-Control"]) == (302, "public, max-age=1800")
    assert "X-Amz-Expires=3600" in answered["Location"]
    assert answered.get("Vary") is None
    got = httpx.get(answered["Location"])
    assert (got.content, got.headers["Content-Type"]) == (CONTENT, "image/webp")
    assert got.headers["Content-Disposition"] == 'inline; filename="processed_Blue shoe.webp"'
    links.revoke(OutputLinks.objects.get())
    assert Client().get(path).status_code == 404


def test_what_is_gone_from_the_bucket_or_cannot_be_asked_for_is_said_by_us(
    bucket: Bucket, path: str, result: Variant
) -> None:
    storage.delete([result.key])
    assert Client().get(path).status_code == 404
    bucket.vanish()
    assert Client().get(path).status_code == 503


# ---- the CSV -------------------------------------------------------------------------------------------------------


def test_its_owner_and_operators_download_the_csv(job: Job, alice: User, olga: User, as_user: SignIn) -> None:
    for user in (alice, olga):
        response, content = answer(as_user(user), reverse("product-csv", args=[job.pk]))
        assert content.startswith(b"S. No.")
        assert b"SHA256" not in content
        assert response["Content-Type"] == "text/csv"
        assert response["Content-Disposition"] == 'attachment; filename="spring-processed.csv"'
        assert response["Cache-Control"] == "private, no-cache"


def test_a_stranger_does_not_get_the_csv(job: Job, bob: User, as_user: SignIn) -> None:
    address = reverse("product-csv", args=[job.pk])
    assert as_user(bob).get(address).status_code == 404
    assert Client().get(address)["Location"].startswith(reverse("login"))


def test_the_csv_of_now_has_the_addresses(job: Job, path: str, alice: User, as_user: SignIn) -> None:
    assert path in answer(as_user(alice), reverse("product-csv", args=[job.pk]))[1].decode()


def test_the_csv_has_details_on_request(job: Job, alice: User, as_user: SignIn) -> None:
    content = answer(as_user(alice), reverse("product-csv", args=[job.pk]) + "?details=1")[1]
    assert content.partition(b"\r\n")[0].endswith(b",Output Image Urls,Status,Error,Width,Height,Bytes,SHA256")


def test_a_head_of_the_csv_reads_nothing(job: Job, alice: User) -> None:
    request = RequestFactory().head("/")
    request.user = alice
    head = downloads.products(request, job.pk)
    assert (head.status_code, head["Content-Disposition"]) == (200, 'attachment; filename="spring-processed.csv"')
    assert async_to_sync(body)(head) == b""
    assert str(disk.path(job.product_csv.key)) not in open_files()
    head.close()


def test_a_csv_that_is_gone_says_so(job: Job, alice: User, as_user: SignIn) -> None:
    storage.delete([job.product_csv.key])
    response = as_user(alice).get(reverse("product-csv", args=[job.pk]))
    assert response.status_code == 404
    assert "The file is not there any more. Send it again." in response.content.decode()
    assert as_user(alice).get(reverse("product-csv", args=[make.job(alice).pk])).status_code == 404


# ---- the page ------------------------------------------------------------------------------------------------------


def test_the_page_lists_the_newest_first_with_their_state(alice: User, as_user: SignIn) -> None:
    names = ("revoked.csv", "expired.csv", "active.csv")
    revoked, expired, _ = (links.make(make.products(alice, 1, name=name)) for name in names)
    links.revoke(revoked)
    OutputLinks.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    page = as_user(alice).get(reverse("links")).content.decode()
    assert re.findall(r"<b>(\w+)\.csv</b>.*?</svg>(\w+)</span>", page, re.DOTALL) == [
        ("active", "Active"), ("expired", "Expired"), ("revoked", "Revoked"),
    ]  # fmt: skip
    assert page.count(">Revoke</button>") == 1
    assert page.count("Make new ones</button>") == 3


def test_the_page_says_how_many_photos_they_lead_to(job: Job, result: Variant, alice: User, as_user: SignIn) -> None:
    links.make(job)
    make.products(alice, 4)
    page = as_user(alice).get(reverse("links")).content.decode()
    assert "1 photo, made <time" in page
    assert reverse("product", args=[job.pk]) in page


def test_new_ones_are_offered_once_for_each_csv(job: Job, alice: User, as_user: SignIn) -> None:
    for _ in range(3):
        links.renew(job)
    page = as_user(alice).get(reverse("links")).content.decode()
    assert page.count('id="links-') == 3
    assert page.count("Make new ones</button>") == 1


def test_the_page_is_cut_into_pages(job: Job, alice: User, as_user: SignIn, django_assert_max_num_queries: Any) -> None:
    OutputLinks.objects.bulk_create(OutputLinks(job=job, revoked_at=timezone.now()) for _ in range(60))
    client = as_user(alice)
    with django_assert_max_num_queries(4):  # the session, the person, how many, these
        first = client.get(reverse("links")).content.decode()
    assert first.count('id="links-') == 50
    assert "1 to 50 of 60 output links" in first
    assert client.get(reverse("links"), {"page": "2"}).content.decode().count('id="links-') == 10
    assert client.get(reverse("links"), {"page": "nonsense"}).status_code == 200


def test_without_any_the_page_says_what_would_be_here(alice: User, as_user: SignIn) -> None:
    assert "No output links yet" in as_user(alice).get(reverse("links")).content.decode()


def test_others_and_deleted_csvs_are_not_listed(job: Job, alice: User, bob: User, olga: User, as_user: SignIn) -> None:
    links.make(job)
    for user in (bob, olga):
        assert "spring.csv" not in as_user(user).get(reverse("links")).content.decode()
    Job.objects.update(deleted_at=timezone.now())
    assert "spring.csv" not in as_user(alice).get(reverse("links")).content.decode()


def test_a_person_revokes_and_makes_new_ones(
    job: Job, path: str, result: Variant, alice: User, as_user: SignIn
) -> None:
    client, old = as_user(alice), OutputLinks.objects.get()
    revoked = client.post(reverse("links-revoke", args=[old.pk]), {"next": reverse("links")}, follow=True)
    assert "Revoked. " in revoked.content.decode()
    assert answer(Client(), path)[0].status_code == 404
    assert client.post(reverse("links-revoke", args=[old.pk])).status_code == 409
    made_anew = client.post(reverse("links-make", args=[job.pk]), {"next": reverse("links")}, follow=True)
    assert "Download the CSV again" in made_anew.content.decode()
    assert answer(Client(), path)[0].status_code == 404
    new = OutputLinks.objects.get(revoked_at=None)
    address = links.address(new, result.upload_id, "Blue shoe.jpg", "result", "webp")
    assert answer(Client(), urlsplit(address).path)[1] == CONTENT


def test_new_ones_end_those_that_worked(job: Job, path: str, alice: User, as_user: SignIn) -> None:
    assert as_user(alice).post(reverse("links-make", args=[job.pk])).status_code == 204
    assert answer(Client(), path)[0].status_code == 404


def test_a_stranger_can_neither_revoke_nor_renew(job: Job, path: str, bob: User, as_user: SignIn) -> None:
    found = OutputLinks.objects.get()
    for name, pk in (("links-revoke", found.pk), ("links-make", job.pk)):
        assert as_user(bob).post(reverse(name, args=[pk])).status_code == 404
        assert Client().post(reverse(name, args=[pk]))["Location"].startswith(reverse("login"))
        assert as_user(bob).get(reverse(name, args=[pk])).status_code == 405
    assert OutputLinks.objects.get().revoked_at is None
    assert answer(Client(), path)[1] == CONTENT


def test_an_operator_may_revoke_and_renew_everybodys(job: Job, path: str, olga: User, as_user: SignIn) -> None:
    for name, pk in (("links-revoke", OutputLinks.objects.get().pk), ("links-make", job.pk)):
        assert as_user(olga).post(reverse(name, args=[pk])).status_code == 204
    assert [one.revoked_at is None for one in OutputLinks.objects.order_by("pk")] == [False, True]


def test_a_job_without_a_csv_has_no_links_to_make(alice: User, as_user: SignIn) -> None:
    assert as_user(alice).post(reverse("links-make", args=[make.job(alice).pk])).status_code == 404
