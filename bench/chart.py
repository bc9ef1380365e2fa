"""The picture of docs/performance.md: a bar for each figure, from the goal to where it stands. SVG, light and dark."""

from collections.abc import Sequence
from html import escape
from math import log10

from bench.figure import Figure

WIDTH, ROW, TOP, BOTTOM = 960, 24, 44, 12  # px
LEFT, RIGHT = 430, 810  # of the bars; texts stand on both sides
TICKS = {0.1: "a tenth", 1: "the goal", 2: "2×", 10: "10×", 100: "100×"}
LEAST, MOST = min(TICKS), max(TICKS)
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 } .quiet { fill: #59636e; font-size: 11px }
  .ground { fill: #fff } .line { stroke: #d1d9e0 } .goal { stroke: #1f2328 }
  .met { fill: #1a7f37 } .missed { fill: #cf222e }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .quiet { fill: #9198a1 } .ground { fill: #0d1117 } .line { stroke: #3d444d }
    .goal { stroke: #f0f6fc } .met { fill: #3fb950 } .missed { fill: #f85149 }
  }
"""


def svg(figures: Sequence[Figure]) -> str:
    height = TOP + ROW * len(figures) + BOTTOM
    parts = [*_scale(height), *(part for row, one in enumerate(figures) for part in _bar(one, TOP + ROW * row))]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title">\n'
        f'<title id="title">How each figure stands to its goal</title>\n<style>{STYLE}</style>\n'
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _scale(height: int) -> list[str]:
    return [
        f'<text class="quiet" x="{_x(value)}" y="{TOP - 16}" text-anchor="middle">{name}</text>'
        f'<path class="{"goal" if value == 1 else "line"}" d="M{_x(value)} {TOP - 8}V{height - BOTTOM}"/>'
        for value, name in TICKS.items()
    ]


def _bar(one: Figure, top: int) -> list[str]:
    start, end = sorted((_x(1), _x(one.headroom)))
    middle = top + ROW // 2 + 4
    return [
        f'<text x="12" y="{middle}">{one.name}</text>',
        f'<text class="quiet" x="150" y="{middle}">{_short(one.about)}</text>',
        f'<rect class="{"met" if one.is_met else "missed"}" x="{start}" y="{top + 5}" width="{max(end - start, 2)}"'
        f' height="{ROW - 10}" rx="2"/>',
        f'<text x="{RIGHT + 20}" y="{middle}">{"met" if one.is_met else "missed"}, {_times(one)}</text>',
    ]


def _x(times: float) -> int:
    """On a scale where each step is so many times the one before."""
    share = log10(min(max(times, LEAST), MOST) / LEAST) / log10(MOST / LEAST)
    return round(LEFT + share * (RIGHT - LEFT))


def _short(text: str, most: int = 46) -> str:
    return escape(text if len(text) <= most else f"{text[: most - 1].rstrip()}…")


def _times(one: Figure) -> str:
    return f"{one.headroom:.2g}×" if one.headroom < MOST else "over 100×"
