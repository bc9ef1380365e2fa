"""What one photo's page says beside its pictures: facts, seconds, files, and other ways to make it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from processing import catalogue, installed, show
from processing.cards import REVIEW, Card, Picture, picture
from processing.delivery.photo import file_name
from processing.models import Status, Variant
from processing.recipe import Recipe, fitting, numbered

MOST_MODELS = 2  # offered beside matting, so that three keys are enough
UNCROPPED = ("no_face", "keep", "Leave it uncropped", "where no face is found")
LARGEST = ("face_policy", "largest", "Take the largest face", "of those that are there")
REMEDIES = {"no_face_found": [UNCROPPED], "multiple_faces": [LARGEST]}


@dataclass(frozen=True)
class Choice:
    """Another way to make the photo: the change to its recipe, and the key that asks for it."""

    key: int
    field: str
    value: str
    label: str
    about: str


@dataclass(frozen=True)
class Result:
    """One of several results of a photo: its file, a picture to show, whether its face fits the format."""

    file: Variant
    picture: Picture | None
    fit: str


def of(card: Card) -> dict[str, object]:
    """The context of one photo's fragment."""
    known = card.upload.facts
    recipe, _ = fitting(card.upload.recipe or card.upload.job.recipe)
    return {
        "card": card,
        "recipe": recipe,
        "reasons": known.get("review", [])[1:] if card.state == REVIEW else [],
        "facts": list(_facts(card)),
        "rows": list(card.upload.rows.order_by("position")) if card.upload.url else [],
        "timings": _timings(known.get("timings", {})),
        "work": sum(known.get("timings", {}).values()),
        "choices": [Choice(number, *words) for number, words in enumerate(_choices(card, recipe), 1)],
        "can_keep_original": _stands_or_lacks_a_subject(card) and (recipe.remove_bg or recipe.crop_face),
        "has_mask": "model" in known and recipe.background == "transparent" and _format(card) != "jpg",
        "results": _results(card),
        "files": sorted(_files(card), key=lambda file: -file.width),
        "srcset": ", ".join(f"{file_name(card.name, one.format, f'-{one.name}')} {one.width}w" for one in _sizes(card)),
    }


# ---- other ways to make it ------------------------------------------------------------------------------------------


def _choices(card: Card, recipe: Recipe) -> list[tuple[str, str, str, str]]:
    """(field, value, label, about) of what is likely to help."""
    if remedies := REMEDIES.get(_failure(card)):
        return remedies
    if not recipe.remove_bg or not _stands_or_lacks_a_subject(card):
        return []
    found = [("model", *words) for words in _models(recipe.model)]
    if recipe.refine != "matting" and card.is_completed:
        found.append(("refine", "matting", "Same, edges by matting", "slow, best for hair"))
    return found


def _failure(card: Card) -> str:
    return card.upload.error_code if card.state == Status.FAILED else ""


def _stands_or_lacks_a_subject(card: Card) -> bool:
    return card.is_completed or _failure(card) == "unknown_foreground"


def models_here() -> list[installed.Installed]:
    """The models for cut-outs that may run here, best first."""
    found = [one for one in installed.models() if one.weights.name in catalogue.MODELS]
    here = [one for one in found if one.is_installed and one.may_run]
    rank = {name: place for place, name in enumerate(catalogue.PREFERENCE)}
    return sorted(here, key=lambda one: rank.get(one.weights.name, len(rank)))


def _models(present: str) -> Iterator[tuple[str, str, str]]:
    """The best of them, less the present one."""
    others = [one for one in models_here() if one.weights.name != present]
    for one in others[:MOST_MODELS]:
        name, about = one.weights.name, one.weights.about
        yield name, name, f"{show.seconds(one.seconds)}, {about[0].lower()}{about[1:]}" if one.seconds else about


# ---- files ----------------------------------------------------------------------------------------------------------


def _format(card: Card) -> str:
    return card.result.format if card.result else ""


def _results(card: Card) -> list[Result]:
    """Where a photo became several; else none."""
    reports = card.upload.facts.get("face_reports", [])
    found: list[Result] = []
    while file := card.files.get(numbered("result", len(found) + 1)):
        number = len(found) + 1
        small = next((name for name in ("preview", "thumbnail", "result") if numbered(name, number) in card.files), "")
        shown = picture(card.files.get(numbered(small, number)))
        found.append(Result(file, shown, _fit(reports[number - 1]) if number <= len(reports) else ""))
    return found if len(found) > 1 else []


def _files(card: Card) -> list[Variant]:
    """All that was made of it, but for what shows the original."""
    return [file for name, file in card.files.items() if not name.startswith("source-")]


def _sizes(card: Card) -> list[Variant]:
    """The extra sizes of the first result, small ones first; of several that are as wide, one."""
    sizes = [file for file in _files(card) if not file.name.startswith("result") and "-" not in file.name]
    return sorted({file.width: file for file in sizes}.values(), key=lambda file: file.width)


# ---- facts ----------------------------------------------------------------------------------------------------------


def _facts(card: Card) -> Iterator[tuple[str, str]]:
    yield from _about_files(card)
    yield from _findings(card.upload.facts)
    if card.upload.attempts > 1:
        yield "Tries", str(card.upload.attempts)


def _about_files(card: Card) -> Iterator[tuple[str, str]]:
    upload, result, known = card.upload, card.result, card.upload.facts
    yield "Sent as", upload.sent_name
    if upload.source_bytes:
        yield "Original", _kind(upload.source_width, upload.source_height, upload.source_format, upload.source_bytes)
    if upload.source_removed_at:
        yield "Kept no longer", f"The original was removed on {show.day(upload.source_removed_at)}."
    if upload.results_removed_at:
        yield "Kept no longer", f"The result was removed on {show.day(upload.results_removed_at)}."
    if known.get("adopted"):
        yield "Made", "Elsewhere, and taken as it is"
    if known.get("reused"):
        yield "Made", "Before, from the same photo with the same choices"
    if result:
        kind = _kind(result.width, result.height, result.format, result.bytes)
        yield "Result", f"{kind}, {_ratio(upload.source_bytes or 0, result.bytes)}"


def _findings(known: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if known.get("model"):
        yield "Model", f"{known['model']} {known.get('model_checksum', '')[:12]}".strip()
    if known.get("source_colour"):
        yield "Colour", known["source_colour"]
    if known.get("quality"):
        yield "Quality", str(known["quality"])
    if mask := known.get("mask"):
        yield "Edge unsure", _percent(mask["unsure"])
        yield "Subject", f"{_percent(mask['subject'])} of the frame, {_parts(mask['parts'])}"
        yield "Confidence", _percent(mask["confidence"])
    if known.get("faces") is not None:
        yield "Faces", str(known["faces"])
    if len(reports := known.get("face_reports", [])) == 1:
        yield "Face format", _fit(reports[0])


def _fit(report: dict[str, Any]) -> str:
    """What of a face is out of its format, else that it fits."""
    return " ".join(report["out"]) or f"Fits {report['preset']}"


def _percent(share: float) -> str:
    return f"{int(round(100 * share, 1))}%"


def _parts(count: int) -> str:
    return "1 part" if count == 1 else f"{count} parts"


def _kind(width: int | None, height: int | None, format: str, count: int) -> str:
    return f"{width} × {height} {format.upper()}, {show.size(count)}"


def _ratio(before: int, after: int) -> str:
    """How the sizes compare: "61% smaller", "2.3 × as large"."""
    if not before or after > before:
        return f"{after / before:.1f} × as large" if before else ""
    return f"{100 - 100 * after // before}% smaller"


def _timings(seconds: dict[str, float]) -> list[tuple[str, float, int, int]]:
    """(label, seconds, where its stretch begins, its width), the latter two in thousandths of the whole."""
    whole, at, found = sum(seconds.values()) or 1, 0.0, []
    for label, took in seconds.items():
        found.append((label.capitalize(), took, round(1000 * at / whole), max(4, round(1000 * took / whole))))
        at += took
    return found
