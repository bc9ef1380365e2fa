"""How many photos a person sent and what became of them; operators see everybody's."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from processing import access, bars, statistics
from processing.intake.names import plain


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
        "newest_first": list(reversed(found.days.items())), "most": max(day.ended for day in found.days.values()),
        "bars": bars.paths([(day.completed, day.failed) for day in found.days.values()]),
    }  # fmt: skip
    return render(request, "statistics/page.html", context)
