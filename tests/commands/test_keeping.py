"""manage.py adopt, backfill and sweep, as an operator types them."""

from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from processing import show
from processing.models import Job, Variant
from tests import make
from tests.pictures import picture
from tests.test_retention import old_job


def typed(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_adopt_says_what_came_of_each(alice: User, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture())
    (tmp_path / "b.txt").write_text("no photo")
    command = ["adopt", str(tmp_path), "--owner", "alice", "--name", "Old"]
    size = show.size(len(picture()))
    refused = "b.txt: invalid_file_type: Unsupported image format: text.\n"
    assert typed(*command, "--dry-run") == f"{refused}1 photo ({size}) would come, 0 here already, 1 refused.\n"
    adopted = typed(*command)
    assert adopted == f"{refused}1 photo ({size}) adopted as job {Job.objects.get().pk}, 0 here already, 1 refused.\n"
    assert typed(*command) == f"{refused}0 photos (0 B) adopted, 1 here already, 1 refused.\n"


@pytest.mark.parametrize(
    ("folder", "owner", "said"),
    [(".", "zoe", "There is no user zoe."), ("none", "alice", "There is no folder none.")],
)
def test_each_mistake_of_adopt_is_one_sentence(alice: User, folder: str, owner: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        typed("adopt", folder, "--owner", owner)


def test_backfill_counts_and_then_asks_io(alice: User) -> None:
    make.upload(alice)
    Variant.objects.all().delete()
    assert typed("backfill", "--dry-run") == "1 picture missing.\n"
    assert typed("backfill") == "1 picture to be made by the io workers.\n"
    assert typed("backfill") == "0 pictures to be made by the io workers.\n"


def test_sweep_says_what_goes_and_what_stays(alice: User, settings: Settings) -> None:
    assert typed("sweep") == "Everything is kept: no PHOTO_KEEP_… is set.\n"
    settings.KEEP_JOBS_DAYS = 7
    assert typed("sweep", "--dry-run") == "Nothing would go.\nKept: 0 B.\n"
    job, review = old_job(alice), old_job(alice)
    review.uploads.update(needs_review=True)
    lines = typed("sweep", "--dry-run").splitlines()
    assert lines[0].startswith(f"Everything of job {job.pk} (alice): 1 photo, ")
    assert lines[1].endswith(": would go.")
    assert lines[3] == "1 job left alone: somebody has to look at photos of them."
    assert typed("sweep").splitlines()[1].endswith(": are gone.")
    assert list(Job.objects.filter(deleted_at=None)) == [review]
