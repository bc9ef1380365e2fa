"""The charts of what was completed and what failed."""

from processing import bars


def test_the_failed_stand_on_the_completed_and_the_best_is_full() -> None:
    assert bars.paths([(0, 0), (3, 1)]) == ("M330 100v-73.88h240v73.88z", "M330 26.12v-24.62h240v24.62z")


def test_one_of_ten_thousand_is_still_seen() -> None:
    completed, failed = bars.paths([(10_000, 0), (0, 1)])
    assert completed == "M30 100v-98.5h240v98.5z"
    assert failed == "M330 100v-1.5h240v1.5z"


def test_nothing_is_drawn_of_nothing() -> None:
    assert bars.paths([]) == bars.paths([(0, 0)] * 30) == ("", "")
