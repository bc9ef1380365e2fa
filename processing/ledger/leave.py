"""The way out: files that are kept no longer. The photo stays with its state, and says since when they are gone."""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from processing import storage
from processing.ledger.rows import change, needed_originals, watched
from processing.models import Status, Upload, Variant
from processing.models.jobs import ACTIVE
from processing.variants import OF_PAGES


def remove_originals(uploads: "QuerySet[Upload]") -> int:
    """Of those that have ended; the files go after the commit, but for one that an equal photo still needs.

    `source_sha256` stays, so that it can be told again which photo it was. Gives the number of rows.
    """
    ended = uploads.exclude(status__in=ACTIVE).exclude(source="")
    with watched(ended) as ended:
        rows = list(ended.values_list("pk", "source", "source_sha256"))
        gone = change(
            Upload.objects.filter(pk__in=[row[0] for row in rows]), source="", source_removed_at=timezone.now()
        )
        keys, digests = {row[1] for row in rows}, {row[2] for row in rows}
        keys -= needed_originals(uploads.values("job_id"), keys, digests)
        transaction.on_commit(lambda: storage.delete(keys))
    return gone


def remove_results(uploads: "QuerySet[Upload]") -> int:
    """Of those that are completed: results and extra sizes go, the small pictures of our pages stay.

    Gives the number of rows.
    """
    completed = uploads.filter(status=Status.COMPLETED, results_removed_at=None)
    with watched(completed) as completed:
        pks = list(completed.values_list("pk", flat=True))
        gone = change(Upload.objects.filter(pk__in=pks), results_removed_at=timezone.now())
        files = Variant.objects.filter(upload__in=pks).exclude(name__regex=OF_PAGES)
        keys = [key for key in files.values_list("key", flat=True) if key]
        files.delete()
        transaction.on_commit(lambda: storage.delete(keys))
    return gone
