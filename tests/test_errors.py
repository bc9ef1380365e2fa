"""The one table of errors."""

import pytest

from processing.errors import KINDS, PhotoError

VALUES = dict.fromkeys(
    ("reason", "size", "limit", "format", "model", "seconds", "attempts", "remedy", "count", "missing", "found",
     "method", "allowed", "scope", "type", "fields", "name", "what", "day"),
    "Something",
)  # fmt: skip


@pytest.mark.parametrize("code", sorted(KINDS))
def test_every_error_has_a_sentence_and_says_what_to_do(code: str) -> None:
    error = PhotoError(code, **VALUES)
    assert error.message.endswith(".")
    assert error.remedy or KINDS[code].sentence == "{reason}."  # which then says what to do itself
    assert "{" not in error.message + error.remedy
    assert isinstance(error.transient, bool)


def test_the_sentences_that_others_rely_on() -> None:
    assert (
        PhotoError("file_too_large", size="12.5MB", limit="10MB").message
        == "File size (12.5MB) exceeds maximum (10MB)."
    )
    assert PhotoError("resolution_too_high", limit="4096x4096", size="9x9").message.startswith(
        "Image dimensions too large (max 4096x4096)"
    )
    assert PhotoError("invalid_file_type", format="SVG").message == "Unsupported image format: SVG."


def test_an_unknown_code_cannot_be_raised() -> None:
    with pytest.raises(KeyError):
        PhotoError("no_such_code")
