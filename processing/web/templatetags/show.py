"""Template filters; every template has them."""

from datetime import datetime

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from processing import show
from processing.statistics import Numbers

register = template.Library()
register.filter("size", show.size)
register.filter("seconds", show.seconds)
register.filter("moment", show.moment)
register.filter("counted", show.counted)


@register.filter
def number(value: int) -> str:
    """1,000."""
    return intcomma(value)


@register.filter
def saved(numbers: Numbers) -> str:
    return show.saved(numbers.bytes_before, numbers.bytes_after)


@register.filter
def left(value: tuple[float, float]) -> str:
    return show.time_left(*value)


@register.filter
def between(value: tuple[float, float]) -> str:
    return show.between(*value)


@register.filter
def ends(value: tuple[float, float]) -> str:
    """The clock time at which the middle of the range ends."""
    from datetime import timedelta

    from django.utils import timezone

    return f"{timezone.localtime(timezone.now() + timedelta(seconds=sum(value) / 2)):%H:%M}"


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """An icon of static/icons.svg."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#i-{}"/></svg>', classes, static("icons.svg"), name
    )


@register.filter
def exact(value: datetime) -> str:
    return value.isoformat(timespec="seconds")
