"""The admin shows jobs and uploads, retries and cancels, and changes nothing else."""

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from processing.models import Upload
from tests import make

SignIn = Callable[[User], Client]
JOBS, UPLOADS = "/admin/processing/job/", "/admin/processing/upload/"


@pytest.fixture
def admin(admin_user: User, as_user: SignIn) -> Client:
    return as_user(admin_user)


def act(client: Client, path: str, action: str, *pks: int) -> int:
    return client.post(path, {"action": action, "_selected_action": pks}).status_code


@pytest.mark.parametrize(
    ("status", "action", "after"), [("failed", "retry", "queued"), ("queued", "cancel", "cancelled")]
)
def test_selected_photos_are_retried_and_cancelled(
    admin: Client, alice: User, status: str, action: str, after: str
) -> None:
    upload, other = make.upload(alice, status=status), make.upload(alice, status=status)
    assert act(admin, UPLOADS, action, upload.pk) == 302
    assert Upload.objects.get(pk=upload.pk).status == after
    assert Upload.objects.get(pk=other.pk).status == status


def test_the_photos_of_selected_jobs_are_retried(admin: Client, alice: User) -> None:
    job = make.job(alice, 3)
    Upload.objects.update(status="failed")
    act(admin, JOBS, "retry", job.pk)
    assert set(Upload.objects.values_list("status", flat=True)) == {"queued"}


def test_lists_and_pages_open(admin: Client, alice: User) -> None:
    upload = make.upload(alice, status="failed", error_detail="Traceback")
    for path in (JOBS, UPLOADS, f"{JOBS}{upload.job_id}/change/", f"{UPLOADS}{upload.pk}/change/", "/admin/"):
        assert admin.get(path).status_code == 200


def test_nothing_is_added_edited_or_deleted_by_hand(admin: Client, alice: User) -> None:
    upload = make.upload(alice)
    assert admin.get(f"{UPLOADS}add/").status_code == 403
    assert admin.post(f"{UPLOADS}{upload.pk}/delete/", {"post": "yes"}).status_code == 403
    admin.post(f"{UPLOADS}{upload.pk}/change/", {"status": "completed"})
    assert Upload.objects.get().status == "queued"


def test_a_traceback_is_for_superusers(alice: User, olga: User, as_user: SignIn, admin: Client) -> None:
    olga.user_permissions.add(*Permission.objects.filter(codename__in=["view_upload", "change_upload"]))
    path = f"{UPLOADS}{make.upload(alice, status='failed', error_detail='Traceback of it').pk}/change/"
    assert "Traceback of it" in admin.get(path).content.decode()
    assert "Traceback of it" not in as_user(olga).get(path).content.decode()


@pytest.mark.parametrize(("action", "status"), [("retry", "failed"), ("cancel", "queued")])
def test_an_action_needs_its_own_permission(action: str, status: str, alice: User, otto: User, as_user: SignIn) -> None:
    upload = make.upload(alice, status=status)
    otto.user_permissions.set(Permission.objects.filter(codename__endswith="_upload").exclude(
        codename=f"{action}_upload"))  # fmt: skip
    act(as_user(otto), UPLOADS, action, upload.pk)
    assert Upload.objects.get().status == status
    otto.user_permissions.set(Permission.objects.filter(codename__in=["view_upload", f"{action}_upload"]))
    act(as_user(otto), UPLOADS, action, upload.pk)
    assert Upload.objects.get().status != status
    assert LogEntry.objects.filter(user=otto, change_message__contains="1 photo").count() == 1


def test_the_rq_pages_are_linked_for_superusers_alone(admin: Client, olga: User, as_user: SignIn) -> None:
    assert "/admin/rq/" in admin.get("/admin/").content.decode()
    assert "/admin/rq/" not in as_user(olga).get("/admin/").content.decode()


@pytest.mark.parametrize("path", ["/admin/", JOBS])
def test_its_pages_have_the_icon_of_the_others(admin: Client, path: str) -> None:
    assert 'favicon.svg" type="image/svg+xml">' in admin.get(path).text
