"""A chart of what was completed and what failed, as the paths of an SVG: one bar for each stretch of time."""

from collections.abc import Sequence

WIDTH, HEIGHT = 600, 100  # of the viewBox
LEAST = 1.5  # what is there is never too low to be seen
GAP = 0.2  # of a bar's place


def paths(counts: Sequence[tuple[int, int]]) -> tuple[str, str]:
    """Those of (completed, failed), oldest first; what failed stands on what was completed. Empty where there is
    nothing."""
    most, width = max(map(sum, counts), default=0), WIDTH / max(1, len(counts))
    completed = failed = ""
    for place, (below, above) in enumerate(counts):
        left, floor = place * width + width * GAP / 2, HEIGHT - _height(below, most)
        completed += _bar(left, HEIGHT, width, _height(below, most))
        failed += _bar(left, floor, width, _height(above, most))
    return completed, failed


def _height(count: int, most: int) -> float:
    return max(LEAST, count / most * (HEIGHT - LEAST)) if count else 0


def _bar(left: float, bottom: float, width: float, high: float) -> str:
    return f"M{left:.4g} {bottom:.4g}v{-high:.4g}h{width * (1 - GAP):.4g}v{high:.4g}z" if high else ""
