"""Tables for a page, and numbers for them."""

from collections.abc import Iterable, Sequence
from math import ceil, log10
from textwrap import fill


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def prose(text: str, mark: str = "") -> str:
    """A paragraph, or an entry of a list that begins with `mark`."""
    lines = fill(text, 120, initial_indent=mark, subsequent_indent=" " * len(mark), break_on_hyphens=False)
    return f"{lines}\n"


def many(value: float) -> str:
    """Three digits say enough; below a hundred, two."""
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{float(f'{value:.2g}'):g}"


def whole(value: float) -> int:
    """Rounded up to what can be bought: a whole one at least, of many two digits."""
    number = max(1, ceil(value))
    step = int(10 ** max(0, int(log10(number)) - 1))
    return step * ceil(number / step)


def up(value: float) -> str:
    return f"{whole(value):,}"


def seconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def size(value: float) -> str:
    """Bytes, as people say them."""
    for unit, least in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= least:
            return f"{value / least:.3g} {unit}"
    return f"{value:.0f} B"
