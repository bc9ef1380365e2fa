"""Numbers and times as people read them."""

from datetime import datetime, timedelta

from django.utils import timezone


def size(count: int) -> str:
    """Bytes in powers of ten, three digits at most: 312 kB, 1.2 MB."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            break
        value /= 1000
    return f"{value:.1f} {unit}" if value < 9.95 and unit not in ("B", "kB") else f"{value:.0f} {unit}"


def seconds(value: float) -> str:
    """0.04 s, 1.4 s, 12 s, 6 min 12 s, 2 h 5 min."""
    if value < 1:
        return f"{value:.2f} s"
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def time_left(least: float, most: float) -> str:
    """A range that does not flatter: "4 to 6 min left"."""
    if most < 60:
        return "less than a minute left"
    low, high = max(1, int(least // 60)), int(most // 60) + 1
    if high >= 120:
        low, high = max(1, low // 60), high // 60 + 1
        return f"{low} to {high} h left"
    return f"{low} to {high} min left"


def moment(when: datetime) -> str:
    """Today 14:08, yesterday 17:45, 17 November, 3 March 2025."""
    local, today = timezone.localtime(when), timezone.localdate()
    if local.date() == today:
        return f"today {local:%H:%M}"
    if local.date() == today - timedelta(days=1):
        return f"yesterday {local:%H:%M}"
    return f"{local.day} {local:%B}" if local.year == today.year else f"{local.day} {local:%B %Y}"
