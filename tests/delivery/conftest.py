"""Where the files lie."""

import pytest


@pytest.fixture(params=["disk", "bucket"])
def anywhere(request: pytest.FixtureRequest) -> str:
    """On the disk, then in a bucket."""
    if request.param == "bucket":
        request.getfixturevalue("bucket")
    return str(request.param)
