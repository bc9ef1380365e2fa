"""How many photos a person sent and what became of them; operators see everybody's."""

from collections.abc import Mapping
from datetime import date

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from processing import access, statistics
from processing.intake.names import plain
from processing.statistics import Numbers

HEIGHT, WIDTH, GAP = 100, 20, 4  # of the chart, of a day in it, and between two; units of its viewBox


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """One's own; for an operator also `?person=` of that name and `?owner=everybody`."""
    asker, name = access.person(request), plain(request.GET.get("person", "")).strip()
    is_operator = access.is_operator(asker)
    everybody = is_operator and request.GET.get("owner") == "everybody"
    person = None if everybody else access.somebody(asker, name) if name else asker
    found = statistics.of(person.pk if person else None)
    context = {
        "person": person, "is_own": person == asker, "is_operator": is_operator, "everybody": everybody,
        "people": statistics.by_person() if everybody else [], "recent": found.spans[statistics.RECENT],
        "all_time": found.spans[statistics.ALL_TIME], "spans": found.spans, "days": found.days,
        "newest_first": list(reversed(found.days.items())), **chart(found.days),
    }  # fmt: skip
    return render(request, "statistics/page.html", context)


def chart(days: Mapping[date, Numbers]) -> dict[str, object]:
    """A bar for each day: what was completed, and on top of it, in red, what failed."""
    most = max(numbers.ended for numbers in days.values()) or 1
    completed = failed = ""
    for at, numbers in enumerate(days.values()):
        high, red = (round(HEIGHT * count / most, 1) for count in (numbers.completed, numbers.failed))
        left = at * WIDTH + GAP / 2
        completed += _bar(left, HEIGHT, high)
        failed += _bar(left, HEIGHT - high, red)
    return {"bars": {"completed": completed, "failed": failed}, "most": most, "width": WIDTH * len(days)}


def _bar(left: float, bottom: float, high: float) -> str:
    """A piece of an SVG path."""
    return f"M{left:g} {bottom:g}v{-high:g}h{WIDTH - GAP}v{high:g}z" if high else ""
