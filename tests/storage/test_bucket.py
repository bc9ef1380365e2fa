"""What only a bucket does: encryption, sending in parts, addresses and posts that others use."""

import base64
import hashlib
import json
import re
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from photoproc.addresses import storage_address
from processing import housekeeping, inventory, reach, storage
from processing.models import Remembered
from processing.storage.bucket import PART
from tests import environment, make
from tests.bucket import Bucket, proxy

KEY = "7/412/originals/a.png"


@pytest.fixture(autouse=True)
def place(bucket: Bucket, db: None) -> None:
    pass


def use(settings: Settings, url: str) -> None:
    settings.STORAGE = storage_address(url)


def big(parts: float) -> Iterator[bytes]:
    source = Random(2)
    return (source.randbytes(PART // 8) for _ in range(int(8 * parts)))


# ---- what lies in it -------------------------------------------------------------------------------------------------


def test_files_lie_under_the_prefix_of_the_address(bucket: Bucket) -> None:
    storage.write(KEY, [b"photo"])
    bucket.put("other/7/412/originals/b.png", b"somebody else's")
    assert bucket.get(f"house/{KEY}") == b"photo"
    assert list(storage.folders()) == ["7/412"]


def test_a_whole_bucket_may_be_ours(bucket: Bucket, settings: Settings) -> None:
    use(settings, bucket.address(prefix=""))
    storage.write(KEY, [b"photo"])
    assert (bucket.keys(), list(storage.folders())) == ([KEY], ["7/412"])


@pytest.mark.parametrize(("encryption", "expected"), [("AES256", "AES256"), ("aws:kms", "aws:kms"), ("none", None)])
def test_all_that_is_kept_is_encrypted_as_the_address_says(
    bucket: Bucket, settings: Settings, encryption: str, expected: str | None
) -> None:
    use(settings, bucket.address(encryption=encryption))
    storage.write(KEY, [b"photo"])
    storage.link(KEY, "7/412/results/b.png")
    large = storage.write("7/412/archives/c.zip", big(1.5))
    heads = [bucket.client.head_object(Bucket=bucket.name, Key=key) for key in sorted(bucket.keys())]
    assert [head.get("ServerSideEncryption") for head in heads] == [expected] * 3
    assert hashlib.sha256(bucket.get("house/7/412/archives/c.zip")).hexdigest() == large.sha256


def test_a_large_file_is_sent_in_parts_and_never_held_in_memory_as_a_whole(bucket: Bucket) -> None:
    tracemalloc.start()
    stored = storage.write("7/412/archives/c.zip", big(6))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    head = bucket.client.head_object(Bucket=bucket.name, Key="house/7/412/archives/c.zip")
    assert (stored.bytes, head["ContentLength"], head["ETag"][-3:]) == (6 * PART, 6 * PART, '-6"')
    assert peak < 4 * PART


def test_a_large_file_is_opened_by_few_requests_and_not_as_a_whole(bucket: Bucket, settings: Settings) -> None:
    storage.write(KEY, big(1))
    with proxy(bucket) as before:
        use(settings, before.url)
        with storage.opened(KEY) as file:
            file.seek(-1000, 2)
            for _ in range(10):
                assert len(file.read(100)) == 100
    assert [line.split()[0] for line in before.seen] == ["HEAD", "GET"]


def test_many_files_are_deleted_by_one_request(bucket: Bucket, settings: Settings) -> None:
    for number in range(5):
        bucket.put(f"house/7/412/results/{number}.png", b"1")
    with proxy(bucket) as before:
        use(settings, before.url)
        storage.delete_job(7, 412)
    assert ([line.split()[0] for line in before.seen], bucket.keys()) == (["GET", "POST"], [])


# ---- the mark --------------------------------------------------------------------------------------------------------

PHOTO = "house/7/412/originals/a.png"
LOG = "house/2024/11/log.txt"


def clear() -> None:
    """All that deletes because no row names it."""
    for step in (housekeeping.clear_folders, housekeeping.clear_parts, housekeeping.clear_leftovers):
        step()
    for found in inventory.compare():
        inventory.remove(found)


def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that lies there is a day old."""
    monkeypatch.setattr(inventory, "IN_THE_MAKING", -86_400)


def test_a_new_house_deletes_nothing_where_something_lies_that_it_does_not_know(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    old(monkeypatch)
    bucket.put(PHOTO, b"of another house")
    bucket.put(LOG, b"of another program")
    with pytest.raises(storage.Foreign):
        clear()
    with pytest.raises(reach.Elsewhere, match="is of another house, or of a lost database"):
        reach.storage()
    housekeeping.tidy()
    assert "clear_folders: What lies there is of another house" in caplog.text
    assert bucket.keys() == sorted([LOG, PHOTO])


def test_a_house_with_another_database_deletes_nothing(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    old(monkeypatch)
    storage.own()
    bucket.put(PHOTO, b"of this house")
    known = Remembered.objects.get().value
    assert bucket.get(f"house/{storage.MARK}").decode() == known
    Remembered.objects.all().delete()  # the database is another one, and knows no job
    with pytest.raises(storage.Foreign):
        clear()
    assert bucket.get(PHOTO) == b"of this house"
    Remembered.objects.update(value=known)  # it was restored
    clear()
    assert bucket.keys() == [f"house/{storage.MARK}"]


def test_an_operator_says_that_all_that_lies_there_is_of_this_house(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    old(monkeypatch)
    bucket.put(PHOTO, b"of a lost database")
    bucket.put(f"house/{storage.MARK}", b"another")
    with pytest.raises(storage.Foreign):
        storage.own()
    storage.moved()
    clear()
    assert bucket.keys() == [f"house/{storage.MARK}"]


def test_a_house_that_began_while_the_bucket_was_away_marks_it_later(bucket: Bucket, alice: User) -> None:
    job = make.job(alice, 1)
    storage.own()
    assert bucket.get(f"house/{storage.MARK}").decode() == Remembered.objects.get().value
    storage.delete([f"{storage.MARK}"])
    storage.delete_job(alice.pk, job.pk)
    bucket.put(PHOTO, b"of another house")
    with pytest.raises(storage.Foreign):
        storage.own()


# ---- parts -----------------------------------------------------------------------------------------------------------


def begin_parts(bucket: Bucket, key: str) -> None:
    begun = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key)["UploadId"]
    bucket.client.upload_part(Bucket=bucket.name, Key=key, UploadId=begun, PartNumber=1, Body=b"1")


def parts(bucket: Bucket) -> list[str]:
    return [begun["Key"] for begun in bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", [])]


def test_parts_of_ours_that_broke_off_long_ago_are_given_up(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    not_ours = ["house/2024/b.tar", "house/import/b.zip", "other/7/412/archives/c.zip"]
    for key in ("house/7/412/archives/a.zip", *not_ours):
        begin_parts(bucket, key)
    century = 100 * 365 * 24  # hours; the server says that all were begun in 2010
    monkeypatch.setattr(housekeeping, "TEMPORARY_HOURS", century)
    housekeeping.clear_parts()
    assert len(parts(bucket)) == 4
    monkeypatch.undo()
    housekeeping.clear_parts()
    assert parts(bucket) == not_ours


def test_the_settings_of_a_bucket_in_the_docs_are_those_of_a_bucket(bucket: Bucket) -> None:
    text = (environment.ROOT / "docs" / "storage.md").read_text()
    cors, lifecycle, policy, _ = (json.loads(one) for one in re.findall(r"```json\n(.*?)```", text, re.DOTALL))
    bucket.client.put_bucket_cors(Bucket=bucket.name, CORSConfiguration=cors)
    bucket.client.put_bucket_lifecycle_configuration(Bucket=bucket.name, LifecycleConfiguration=lifecycle)
    bucket.client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(policy))
    assert len(bucket.client.get_bucket_cors(Bucket=bucket.name)["CORSRules"]) == 2


# ---- addresses and posts ---------------------------------------------------------------------------------------------


def test_an_address_gives_the_file_with_our_headers_for_a_while(bucket: Bucket, settings: Settings) -> None:
    use(settings, bucket.address(minutes="90"))
    storage.write(KEY, [b"photo"])
    address = storage.address(KEY, "image/png", 'attachment; filename="Café.png"')
    assert address
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert (asked["X-Amz-Expires"], asked["X-Amz-Algorithm"]) == ("5400", "AWS4-HMAC-SHA256")
    assert asked["X-Amz-SignedHeaders"] == "host"
    assert address.startswith(f"{storage.origin()}/")
    answer = httpx.get(address)
    assert (answer.content, answer.headers["content-type"]) == (b"photo", "image/png")
    assert "attachment" in answer.headers["content-disposition"]


def fields_of(post: storage.Post) -> dict[str, Any]:
    return dict(json.loads(base64.b64decode(post.fields["policy"])))


@pytest.mark.parametrize("encryption", ["AES256", "aws:kms", "none"])
def test_a_post_lets_one_file_in_and_nothing_else(bucket: Bucket, settings: Settings, encryption: str) -> None:
    use(settings, bucket.address(encryption=encryption, minutes="5"))
    before = datetime.now(UTC).replace(microsecond=0)
    post = storage.post("7/incoming/0fc2", "image/jpeg", 10_000_000)
    assert post
    policy = fields_of(post)
    expires = datetime.fromisoformat(policy["expiration"])
    assert 300 <= (expires - before).total_seconds() <= 310
    kept = [] if encryption == "none" else [{"x-amz-server-side-encryption": encryption}]
    signed = [{name: post.fields[name]} for name in ("x-amz-algorithm", "x-amz-credential", "x-amz-date")]
    assert policy["conditions"] == [
        {"Content-Type": "image/jpeg"},
        *kept,
        ["content-length-range", 1, 10_000_000],
        {"bucket": bucket.name},
        {"key": "house/7/incoming/0fc2"},
        *signed,
    ]
    named = {name for one in policy["conditions"] if isinstance(one, dict) for name in one}
    assert set(post.fields) == named - {"bucket"} | {"policy", "x-amz-signature"}
    assert all(post.fields[name] == value for one in policy["conditions"] if isinstance(one, dict)
               for name, value in one.items() if name != "bucket")  # fmt: skip


def test_what_is_posted_arrives_and_our_copy_of_it_is_encrypted(bucket: Bucket) -> None:
    key = storage.new_incoming_key(7)
    post = storage.post(key, "image/png", 1000)
    assert post
    assert post.url.startswith(f"{storage.origin()}/")
    answer = httpx.post(post.url, data=post.fields, files={"file": ("a.png", b"photo", "image/png")})
    assert (answer.status_code, storage.read(key)) == (204, b"photo")
    storage.link(key, KEY)
    head = bucket.client.head_object(Bucket=bucket.name, Key=f"house/{KEY}")
    assert (head["ContentLength"], head["ServerSideEncryption"]) == (5, "AES256")


def test_where_only_we_reach_the_bucket_all_goes_through_us(bucket: Bucket, settings: Settings) -> None:
    use(settings, bucket.address(direct="false"))
    storage.write(KEY, [b"photo"])
    assert storage.address(KEY, "image/png", "inline") is None
    assert storage.post(KEY, "image/png", 1000) is None
    assert storage.origin() is None


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("s3://a:b@photos", "https://photos.s3.us-east-1.amazonaws.com"),
        ("s3://a:b@my.photos?region=eu-west-1", "https://s3.eu-west-1.amazonaws.com"),
        ("s3://a:b@photos?region=cn-north-1", "https://photos.s3.cn-north-1.amazonaws.com.cn"),
        ("s3://a:b@photos?endpoint=https://gate.example.com:9000/s3/", "https://gate.example.com:9000"),
    ],
)
def test_a_browser_meets_the_bucket_where_its_addresses_and_posts_lead(
    settings: Settings, url: str, origin: str
) -> None:
    use(settings, url)
    address, post = storage.address(KEY, "image/png", "inline"), storage.post(KEY, "image/png", 1000)
    assert address
    assert post
    assert storage.origin() == origin
    for met in (address, post.url):
        assert f"{urlsplit(met).scheme}://{urlsplit(met).netloc}" == origin
