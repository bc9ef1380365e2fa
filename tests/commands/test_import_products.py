"""manage.py import_products, as a person types it."""

import csv
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from processing import product_rows
from processing.management.commands import import_products
from processing.models import Job, Status
from processing.recipe import Recipe
from tests import make

pytestmark = pytest.mark.django_db

ROWS = (
    "S. No.,Product Name,Input Image Urls\n"
    "1,Mug,https://img.example.com/a.jpg\n"
    "2,Lamp,htp://x\n"
    '3,Set,"https://img.example.com/a.jpg,https://img.example.com/b.jpg"\n'
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "spring.csv"
    place.write_text(ROWS)
    return place


def run(*words: object) -> tuple[str, str, int]:
    """What it says on stdout and stderr, and its exit code."""
    out, err, code = StringIO(), StringIO(), 0
    try:
        call_command("import_products", *map(str, words), stdout=out, stderr=err)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return out.getvalue(), err.getvalue(), code


def test_it_starts_at_once_and_says_where_to_look(alice: User, file: Path) -> None:
    out, err, code = run(file)
    job = Job.objects.get()
    assert out == f"Job {job.pk}: 3 rows, 2 photos to fetch.\nhttp://127.0.0.1:8000/products/{job.pk}/\n"
    assert "line 3, Input Image Urls: Addresses begin with http:// or https://.\n" in err
    assert "No worker listens" in err
    assert (code, job.owner, job.is_draft, job.uploads.count()) == (0, alice, False, 2)
    assert Recipe(**job.recipe) == Recipe(remove_bg=False, quality=50)


def test_flags_override_what_product_csvs_begin_with(alice: User, file: Path) -> None:
    (file.parent / "recipe.json").write_text('{"format": "webp", "size": "800x"}')
    run(file, "--recipe", file.parent / "recipe.json", "--size", "400x", "--quality", 70)
    recipe = Recipe(**Job.objects.get().recipe)
    assert (recipe.remove_bg, recipe.format, recipe.size, recipe.quality) == (False, "webp", "400x", 70)


def finishing(monkeypatch: pytest.MonkeyPatch, work: Callable[[Job], None]) -> None:
    """What the workers do while it waits."""
    monkeypatch.setattr(import_products, "time", SimpleNamespace(sleep=lambda _: work(Job.objects.latest("pk"))))


def finish_one(job: Job) -> None:
    make.finish(make.bring(job.uploads.filter(status=Status.NEW).earliest("position")))


def test_it_waits_until_all_have_ended_and_writes_the_csv(
    alice: User, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finishing(monkeypatch, finish_one)
    out, _, code = run(file, "--wait", "--out", file.parent / "out.csv")
    assert out.endswith("\ncompleted 2, failed 1\n")
    assert code == 1
    with (file.parent / "out.csv").open(newline="") as made:
        rows = list(csv.DictReader(made))
    assert list(rows[0]) == ["S. No.", "Product Name", "Input Image Urls", "Output Image Urls"]
    assert [row["Output Image Urls"].count("http") for row in rows] == [1, 0, 2]


def test_with_details_it_can_be_sent_again(alice: User, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finishing(monkeypatch, finish_one)
    run(file, "--wait", "--details", "--out", file)
    file.write_text(file.read_text().replace("htp://x", "https://img.example.com/c.jpg"))
    out, _, code = run(file, "--wait")
    assert out.startswith(f"Job {Job.objects.latest('pk').pk}: 3 rows, 1 photo to fetch.\n")
    assert out.endswith("\ncompleted 3, failed 0\n")
    assert code == 0


def test_where_nothing_can_run_it_says_so(alice: User, file: Path) -> None:
    file.write_text(ROWS.split("\n", maxsplit=1)[0] + "\n2,Lamp,htp://x\n")
    out, err, code = run(file, "--wait")
    assert "No row of the CSV can run." in err
    assert out.endswith("\ncompleted 0, failed 1\n")
    assert code == 1


def test_ctrl_c_stops_the_waiting_and_not_the_job(alice: User, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(job: Job) -> None:
        raise KeyboardInterrupt

    finishing(monkeypatch, interrupt)
    out, err, code = run(file, "--wait")
    assert "Stopped waiting: the job goes on." in err
    assert "completed" not in out
    assert code == 130
    assert product_rows.counts(Job.objects.get())["queued"] == 2


def test_the_job_is_the_first_superusers_or_the_only_users_or_the_named_ones(
    alice: User, bob: User, file: Path
) -> None:
    with pytest.raises(CommandError, match="--user"):
        call_command("import_products", file)
    run(file, "--user", "bob")
    admin = User.objects.create_superuser("admin", password="admin-password")
    run(file)
    assert list(Job.objects.order_by("pk").values_list("owner", flat=True)) == [bob.pk, admin.pk]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere.csv"], "^nowhere.csv cannot be read: No such file"),
        ([__file__], "^The CSV has no column S. No."),
        (["spring.csv", "--user", "nobody"], "^There is no user nobody.$"),
        (["spring.csv", "--out", "out.csv"], "^--out needs --wait.$"),
        (["spring.csv", "--quality", "300"], "^quality: That is too much"),
        (["spring.csv", "--background", f"image:{'0' * 64}"], "^The background image is not there"),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is_made(
    alice: User, file: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(file.parent)
    with pytest.raises(CommandError, match=sentence):
        call_command("import_products", *words, stdout=StringIO())
    assert not Job.objects.exists()
