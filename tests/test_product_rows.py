"""What a row of a product CSV is, from its photos."""

from django.contrib.auth.models import User

from processing import product_rows
from tests import make


def test_make(alice: User) -> None:
    job = make.products(alice, 3, photos=2)
    for upload in job.uploads.all()[:2]:
        make.finish(make.bring(upload))
    assert product_rows.counts(job) == {"queued": 2, "processing": 0, "completed": 1, "failed": 0, "cancelled": 0}
