"""The same work is done once: equal source, recipe, weights and release give equal files, which are linked then."""

import hashlib
import json
import time
from typing import Any

from django.conf import settings

from processing import catalogue, storage, variants
from processing.errors import PhotoError
from processing.ledger import Claim
from processing.models import Status, Upload, Variant
from processing.recipe import Recipe
from processing.variants import SOURCE_THUMBNAIL, File

OF_ONE_ATTEMPT = ("timings", "memory_mb", "recipe", "waited", "replaced")  # facts that are of no use to another photo


def key_of(claim: Claim, recipe: Recipe) -> str:
    """What names the work that is to be done, as SHA-256: two photos of a person that share it have equal results."""
    weights = [catalogue.MODELS[recipe.model].digest] if recipe.remove_bg else []
    weights += [catalogue.FACES.digest] if recipe.crop_face else []
    said = [settings.VERSION, claim.owner_id, claim.source_sha256, recipe.to_json(), weights]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def linked(claim: Claim, work_key: str) -> tuple[list[File], dict[str, Any]] | None:
    """The files of a photo on which this work was done, under keys of their own, and what was found then; None where
    there is none, or its files go at this moment. Raises PhotoError `storage_unavailable`, `storage_full`."""
    began = time.perf_counter()
    if (same := _same(work_key, claim.recipe)) is None:
        return None
    made = same.variants.filter(status=Variant.Status.COMPLETED).exclude(name=SOURCE_THUMBNAIL)
    if not any(variants.is_result(one.name) for one in made):  # they went meanwhile
        return None
    files: list[File] = []
    try:
        for one in made:
            files.append(_link(claim, one))  # noqa: PERF401 (those linked are to be known when one fails)
    except PhotoError as error:
        storage.delete(file.stored.key for file in files)
        if error.code != "original_missing":
            raise
        return None
    facts = {name: value for name, value in same.facts.items() if name not in OF_ONE_ATTEMPT}
    return files, facts | {"reused": same.pk, "timings": {"reused": round(time.perf_counter() - began, 4)}}


def _same(work_key: str, recipe: dict[str, Any]) -> Upload | None:
    """The photo that got such a result last. That the key is not empty is said twice, else databases would not use the
    index; and the recipe too, as a worker of the release before leaves the key of what it makes anew."""
    known = Upload.objects.exclude(work_key="").filter(work_key=work_key)
    same = known.filter(status=Status.COMPLETED, results_removed_at=None).order_by("finished_at").last()
    return same if same and same.facts.get("recipe") == recipe else None


def _link(claim: Claim, one: Variant) -> File:
    key = variants.new_key(claim.owner_id, claim.job_id, one.name, one.format)
    storage.link(one.key, key)
    return File(one.name, storage.Stored(key, one.bytes, one.sha256), one.format, one.width, one.height)
