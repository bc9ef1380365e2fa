import io

import pytest
from pytest_django.fixtures import Settings

from processing.errors import PhotoError
from processing.intake import limits
from tests.conftest import picture


def test_a_photo_within_the_limits_comes_in() -> None:
    header = limits.check(io.BytesIO(picture(80, 60)), 1000)
    assert (header.format, header.width, header.height) == ("jpeg", 80, 60)


def test_the_limits_are_those_of_the_settings(settings: Settings) -> None:
    settings.MAX_SIDE = 70
    with pytest.raises(PhotoError, match="resolution_too_high"):
        limits.check(io.BytesIO(picture(80, 60)), 1000)
    settings.MAX_FILE_BYTES = 1_000_000
    with pytest.raises(PhotoError, match=r"File size \(1.1MB\) exceeds maximum \(1MB\)"):
        limits.check_size(1_000_001)
    limits.check_size(1_000_000)


def test_a_request_takes_so_many_files_and_no_more(settings: Settings) -> None:
    settings.MAX_FILES = 3
    limits.check_count(2)
    with pytest.raises(PhotoError, match="too_many_files"):
        limits.check_count(3)
