"""Why a result is flagged."""

from typing import Any

import pytest

from processing import doubts

ASKED = {"max_bytes": 300_000, "face_preset": "head"}


@pytest.mark.parametrize(
    ("facts", "reasons"),
    [
        ({}, []),
        ({"review": [], "face_reports": [{"pass": True, "out": []}], "uncropped": True}, []),
        ({"review": ["Nothing is sharp.", "Two parts."]}, ["Nothing is sharp.", "Two parts."]),
        ({"face_reports": [{"out": []}, {"out": ["The head is too small.", "x"]}]}, ["The head is too small."]),
        ({"faces_too_small": 2}, ["2 more faces are too small for head."]),
        ({"over_max_bytes": 412_000}, ["It is 412 kB; 300 kB was asked for."]),
    ],
)
def test_each_doubt_is_a_sentence(facts: dict[str, Any], reasons: list[str]) -> None:
    assert doubts.reasons(facts, ASKED) == reasons
