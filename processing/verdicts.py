"""What somebody says who looked at a result: it is good, keep the original, make it anew, take that back."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Q, QuerySet

from processing import backgrounds, installed, ledger
from processing.models import Status, Upload
from processing.models.jobs import ACTIVE, Verdict
from processing.recipe import Recipe, fitting

UNTOUCHED = {"remove_bg": False, "crop_face": False, "trim": False, "shadow": "none", "channels": "rgba"}


def accept(uploads: "QuerySet[Upload]") -> int:
    """Those that were flagged are good as they are. Gives the number of rows, as all of these do."""
    return ledger.judge(uploads, accepted=True)


def keep_original(uploads: "QuerySet[Upload]") -> int:
    """Made anew with their own background and frame, and not flagged again."""
    return redo(uploads, UNTOUCHED, Verdict.ORIGINAL)


def redo(uploads: "QuerySet[Upload]", changes: Mapping[str, Any], verdict: str = "") -> int:
    """Made anew, each with its present recipe and these changes.

    Raises `pydantic.ValidationError` where the changes do not fit, PhotoError where they cannot be worked on here.
    """
    rows = uploads.order_by().values_list("pk", "job__owner_id", "recipe", "job__recipe")
    return _redo(uploads, [(pk, owner_id, own or of_job) for pk, owner_id, own, of_job in rows], changes, verdict)


def undo(uploads: "QuerySet[Upload]") -> int:
    """The last verdict is taken back: flagged again, or not made anew after all, or made anew as it was before.

    Raises PhotoError where that cannot be worked on here any more.
    """
    redone = Q(status=Status.COMPLETED, facts__replaced__isnull=False)
    judged = uploads.filter(redone).exclude(verdict=Verdict.ACCEPTED).order_by()
    before = list(judged.values_list("pk", "job__owner_id", "facts__replaced"))
    running = list(uploads.filter(status__in=ACTIVE).values_list("pk", flat=True))
    # What begins anew comes before what ends, so that no job is said to have ended that goes on.
    with ledger.watched(uploads) as held:
        count = _redo(held.filter(redone), before, {}) + ledger.judge(held, accepted=False)
        return count + ledger.cancel(held.filter(pk__in=running))


def _redo(
    uploads: "QuerySet[Upload]", present: Iterable[tuple[int, int, dict[str, Any]]], changes: Mapping[str, Any],
    verdict: str = "",
) -> int:  # fmt: skip
    """`present` says of each photo its id, its owner's and its recipe."""
    alike: dict[tuple[int, str], list[int]] = defaultdict(list)
    for pk, owner_id, fields in present:
        alike[owner_id, json.dumps(fields, sort_keys=True)].append(pk)
    checked = [(_checked(owner_id, json.loads(fields), changes), pks) for (owner_id, fields), pks in alike.items()]
    with ledger.watched(uploads) as held:  # all their jobs at once, and so in order
        return sum(ledger.redo(held.filter(pk__in=pks), recipe, verdict) for recipe, pks in checked)


def _checked(owner_id: int, present: dict[str, Any], changes: Mapping[str, Any]) -> Recipe:
    recipe = Recipe(**{**fitting(present)[0].to_json(), **changes})
    installed.check(recipe)
    backgrounds.check(owner_id, recipe)
    return recipe
