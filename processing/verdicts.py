"""What somebody says who looked at a result: it is good, keep the original, make it anew, take that back."""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from processing import installed, ledger
from processing.models import Status, Upload
from processing.models.jobs import Verdict
from processing.recipe import Recipe

UNTOUCHED = {"remove_bg": False, "crop_face": False}


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
    rows = uploads.order_by().values_list("pk", "recipe", "job__recipe")
    return _redo(uploads, {pk: (own or of_job) | changes for pk, own, of_job in rows}, verdict)


def undo(uploads: "QuerySet[Upload]") -> int:
    """The last verdict is taken back: flagged again, or not made anew after all, or made anew as it was before."""
    redone = uploads.filter(status=Status.COMPLETED, facts__replaced__isnull=False)
    before = dict(redone.exclude(verdict=Verdict.ACCEPTED).order_by().values_list("pk", "facts__replaced"))
    with transaction.atomic():
        return ledger.cancel(uploads) + _redo(redone, before) + ledger.judge(uploads, accepted=False)


def _redo(uploads: "QuerySet[Upload]", values: Mapping[int, dict[str, Any]], verdict: str = "") -> int:
    alike: dict[str, list[int]] = defaultdict(list)
    for pk, fields in values.items():
        alike[json.dumps(fields, sort_keys=True)].append(pk)
    checked = [(_checked(fields), pks) for fields, pks in alike.items()]
    with transaction.atomic():
        return sum(ledger.redo(uploads.filter(pk__in=pks), recipe, verdict) for recipe, pks in checked)


def _checked(fields: str) -> Recipe:
    recipe = Recipe(**json.loads(fields))
    installed.check(recipe)
    return recipe
