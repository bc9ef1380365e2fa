"""Why somebody should look at a result before it is used: what the pipeline's facts say of it."""

from typing import Any

from processing import show

LONGEST = 200  # characters of a reason in a photo's row


def reasons(facts: dict[str, Any], recipe: dict[str, Any]) -> list[str]:
    """Sentences, the weightiest first; none where all is well."""
    found = list(facts.get("review", []))
    found += [report["out"][0] for report in facts.get("face_reports", []) if report.get("out")]
    if left := facts.get("faces_too_small"):
        found.append(f"{left} more {'face is' if left == 1 else 'faces are'} too small for {recipe['face_preset']}.")
    if over := facts.get("over_max_bytes"):
        found.append(f"It is {show.size(over)}; {show.size(recipe['max_bytes'])} was asked for.")
    return list(dict.fromkeys(found))


def short(reason: str) -> str:
    return reason if len(reason) <= LONGEST else f"{reason[: LONGEST - 1]}…"
