"""Numbers, times and recipes as people read them."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from processing.face_presets import PRESETS as FACE_PRESETS
from processing.recipe import IMAGE, Recipe


def size(count: int) -> str:
    """Bytes in powers of ten, three digits at most: 312 kB, 1.2 MB."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            break
        value /= 1000
    return f"{value:.1f} {unit}" if value < 9.95 and unit not in ("B", "kB") else f"{value:.0f} {unit}"


def saved(before: int, after: int) -> str:
    """How much smaller it got: 1.2 MB (34%); or how much larger: none, 300 kB larger."""
    if after > before:
        return f"none, {size(after - before)} larger"
    return f"{size(before - after)} ({100 * (before - after) // before}%)" if before else "0 B"


def counted(number: int, noun: str) -> str:
    """1 row, 1,204 rows."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def seconds(value: float) -> str:
    """0.04 s, 1.4 s, 12 s, 6 min 12 s, 2 h 5 min, 3 d 4 h."""
    if value < 0.995:
        return f"{value:.2f} s"
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def between(least: float, most: float) -> str:
    """A range that does not flatter: "4 to 6 min"."""
    if most < 60:
        return "less than a minute"
    low, high = max(1, int(least // 60)), int(most // 60) + 1
    if high >= 120:
        low, high = max(1, low // 60), high // 60 + 1
        return f"{low} to {high} h"
    return f"{low} to {high} min"


def time_left(least: float, most: float) -> str:
    """What is left of it: "4 to 6 min left"."""
    return f"{between(least, most)} left"


def moment(when: datetime) -> str:
    """Today 14:08, yesterday 17:45, 17 November, 3 March 2025."""
    local, today = timezone.localtime(when), timezone.localdate()
    if local.date() == today:
        return f"today {local:%H:%M}"
    if local.date() == today - timedelta(days=1):
        return f"yesterday {local:%H:%M}"
    return f"{local.day} {local:%B}" if local.year == today.year else f"{local.day} {local:%B %Y}"


def day(when: datetime) -> str:
    """3 March 2025."""
    local = timezone.localtime(when)
    return f"{local.day} {local:%B %Y}"


# ---- a recipe -------------------------------------------------------------------------------------------------------

# What a form calls the values that say too little by themselves; the others are called what they are.
_WORDS = {
    "refine": {"none": "As the model gives them (none)", "smooth": "Smooth", "guided": "Follow the photo (guided)",
               "matting": "Finest hair, slow (matting)"},
    "face_policy": {"largest": "The largest", "center": "The one in the middle (center)",
                    "all": "A result for each (all)", "reject": "Refuse the photo (reject)"},
    "no_face": {"fail": "Refuse the photo (fail)", "keep": "Keep it uncropped (keep)"},
    "fit": {"contain": "Whole, inside (contain)", "cover": "Filled, cut (cover)", "pad": "Whole, filled up (pad)"},
    "format": {"auto": "PNG or JPEG (auto)", "png": "PNG", "webp": "WEBP", "jpg": "JPEG", "avif": "AVIF"},
    "channels": {"rgba": "The picture", "alpha": "The mask alone (alpha)"},
    "effort": {"fast": "Fast", "small": "Smaller files, slower (small)"},
    "metadata": {"strip": "Take everything out (strip)", "keep-copyright": "Keep artist and copyright"},
}  # fmt: skip
# What a summary says of a value, and of any value of a field; else the field's title comes before the value.
_SAID: dict[tuple[str, Any], str] = {
    ("remove_bg", False): "background kept", ("decontaminate", False): "edge colour as it is",
    ("trim", True): "trimmed", ("background", "blur"): "blurred background", ("shadow", "soft"): "soft shadow",
    ("crop_face", True): "cropped to the face", ("face_align", False): "eyes not levelled",
    ("face_policy", "all"): "all faces", ("face_policy", "reject"): "exactly one face",
    ("face_policy", "center"): "middle face", ("no_face", "keep"): "kept without a face", ("enlarge", True): "enlarged",
    ("format", "png"): "PNG", ("format", "webp"): "WEBP", ("format", "jpg"): "JPEG", ("format", "avif"): "AVIF",
    ("channels", "alpha"): "mask alone", ("effort", "small"): "small files",
    ("metadata", "keep-copyright"): "copyright kept",
}  # fmt: skip
_PATTERNS = {
    "model": "{}", "refine": "{} edges", "padding": "margin {}", "background": "on {}", "face_preset": "{}",
    "size": "{}", "fit": "{}", "max_bytes": "at most {}", "dpi": "{} dpi", "quality": "quality {}",
    "variants": "sizes {}",
}  # fmt: skip
_FIRST = ("remove_bg", "background", "crop_face", "face_preset", "size", "fit", "format", "quality", "max_bytes")
MOST_SAID = 6


def word(field: str, value: str) -> str:
    """A value of a field with fixed choices, as a form offers it."""
    if field == "face_preset":
        return f"{FACE_PRESETS[value].about} ({value})"
    return _WORDS.get(field, {}).get(value) or value.replace("-", " ").capitalize()


def written(field: str, value: Any) -> Any:
    """A field's value as a person types it: yes or no stays so, all else is text."""
    if isinstance(value, bool):
        return value
    if field == "max_bytes" and isinstance(value, int) and not value % 1000:
        return f"{value // 1000} kB"
    if isinstance(value, tuple | list):
        return " ".join(value)
    return "" if value is None else str(value)


def phrase(field: str, value: Any) -> str:
    """What one field says of a recipe, in a few words: "quality 60", "on white"."""
    title = str(Recipe.model_fields[field].title).lower()
    if said := _SAID.get((field, value)):
        return said
    if isinstance(value, bool):
        return title if value else f"no {title}"
    text = written(field, value)
    return _PATTERNS.get(field, f"{title} {{}}").format("an image" if text.startswith(IMAGE) else text)


def summary(recipe: Recipe) -> str:
    """A recipe in a few words, what is not the default, most important first: "Cut-out with u2netp, on white, JPEG"."""
    plain = Recipe(model=recipe.model)
    fields = dict.fromkeys([*_FIRST, *Recipe.model_fields])
    said = [f"cut-out with {recipe.model}"] if recipe.remove_bg else []
    said += [phrase(name, value) for name in fields if (value := getattr(recipe, name)) != getattr(plain, name)]
    text = ", ".join(said[:MOST_SAID]) + (f" and {len(said) - MOST_SAID} more" if len(said) > MOST_SAID else "")
    return text[0].upper() + text[1:]
