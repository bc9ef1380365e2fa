"""An address that cannot be is told in one sentence, which names no password."""

import pytest

from photoproc.addresses import StorageAddress, storage_address

SECRET = "Secret"  # a part of each password below


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://photos", StorageAddress("s3", "photos")),
        ("s3://photos/", StorageAddress("s3", "photos")),
        ("S3://Photos_1/a//b%20c/", StorageAddress("s3", "Photos_1", prefix="a/b c/")),
        (
            "s3://AKIA:se%2Fcr%2Bet%40@photos/house?endpoint=https://minio.example.com:9000/&region=eu-central-1"
            "&encryption=aws:kms&direct=false&minutes=10080",
            StorageAddress(
                "s3", "photos", "house/", "https://minio.example.com:9000", "eu-central-1", "aws:kms", False, 10080,
                "AKIA", "se/cr+et@",
            ),
        ),
        ("s3://photos?endpoint=http://[::1]:9000", StorageAddress("s3", "photos", endpoint="http://[::1]:9000")),
        ("gs://photos.example.com/a?minutes=5", StorageAddress("gs", "photos.example.com", "a/", minutes=5)),
    ],
)  # fmt: skip
def test_a_storage_address_says_where_the_bucket_is_and_how_it_is_used(url: str, expected: StorageAddress) -> None:
    assert storage_address(url) == expected


def test_what_is_shown_of_an_address_has_no_key_in_it() -> None:
    shown = repr(storage_address(f"s3://AKIA:{SECRET}@photos"))
    assert "photos" in shown
    assert SECRET not in shown and "AKIA" not in shown  # noqa: PT018


def test_a_bucket_that_names_no_region_lies_in_that_of_the_house() -> None:
    assert storage_address("s3://photos", "eu-west-1").region == "eu-west-1"
    assert storage_address("s3://photos?region=eu-central-1", "eu-west-1").region == "eu-central-1"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "It begins with s3:// or gs://"),
        ("photos", "It begins with s3:// or gs://"),
        ("http://photos", "It begins with s3:// or gs://"),
        ("s3:photos", "It begins with s3:// or gs://"),
        ("s3:///photos", "It begins with s3:// or gs://"),
        ("s3://[photos", "It is no address"),
        (f"s3://key:{SECRET}\u2100@photos", "It is no address"),  # the sign holds a slash
        (f"s3://key:{SECRET}/part@photos", "no bucket's name"),
        (f"s3://key:pass#{SECRET}@photos", "no bucket's name"),
        (f"s3://key:pass?{SECRET}@photos", "no bucket's name"),
        (f"s3://key:{SECRET}@photos?{SECRET}=1", "With s3:// its options are endpoint, region"),
        (f"s3://key:{SECRET}@pho%74os", "no bucket's name"),
        (f"s3://key:{SECRET}@ph", "no bucket's name"),
        (f"s3://key:{SECRET}@-photos", "no bucket's name"),
        (f"s3://key:{SECRET}@photos:9000", "no bucket's name"),
        (f"s3://{SECRET}@photos", "Before the @ stand the access key"),
        (f"s3://:{SECRET}@photos", "Before the @ stand the access key"),
        (f"gs://key:{SECRET}@photos", "Before the @ stand the access key"),
        (f"s3://key:{SECRET}@photos/a/../b", "Its folder is no folder's name"),
        (f"s3://key:{SECRET}@photos/a%00b", "Its folder is no folder's name"),
        (f"s3://key:{SECRET}@photos?encryption=aes", "encryption is one of AES256, aws:kms, none"),
        (f"s3://key:{SECRET}@photos?minutes=0", "minutes is a number from 1 to 10080"),
        (f"s3://key:{SECRET}@photos?minutes=10081", "minutes is a number from 1 to 10080"),
        (f"s3://key:{SECRET}@photos?minutes={'9' * 5000}", "minutes is a number from 1 to 10080"),
        (f"s3://key:{SECRET}@photos?minutes=\u0665", "minutes is a number from 1 to 10080"),
        (f"s3://key:{SECRET}@photos?minutes=", "minutes is a number from 1 to 10080"),
        (f"s3://key:{SECRET}@photos?direct=no", "direct is true or false"),
        (f"s3://key:{SECRET}@photos?endpoint=minio.example.com", "endpoint is http:// or https://"),
        (
            f"s3://key:{SECRET}@photos?endpoint=https://key:{SECRET}@minio.example.com",
            "endpoint is http:// or https://",
        ),
        (f"s3://key:{SECRET}@photos?endpoint=https://minio.example.com:99999", "endpoint is http:// or https://"),
        (f"s3://key:{SECRET}@photos?endpoint=https://a.example.com%3B script-src *", "endpoint is http:// or https://"),
        (f"s3://key:{SECRET}@photos?region=eu central", "region is a name such as eu-central-1"),
        ("gs://photos?region=eu", "With gs:// its options are direct, minutes"),
        ("gs://photos?encryption=aws:kms", "With gs:// its options are direct, minutes"),
    ],
)
def test_what_is_wrong_with_a_storage_address_is_one_sentence_without_its_password(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match="STORAGE_URL cannot be used: ") as caught:
        storage_address(url)
    told = str(caught.value)
    assert reason in told
    assert SECRET not in told
    assert caught.value.__cause__ is None
    assert told.count("\n") == 0
