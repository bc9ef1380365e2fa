"""A job, its uploads, and the files made from them."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from processing.models.tokens import Token


class Status(models.TextChoices):
    """The states of an upload; only `ledger` moves one.

    new ─▶ queued ─▶ processing ─▶ completed ─┐
            ▲  ▲          ├──────▶ failed ────┤
            │  └─ again ──┤                   │
            │             └──────▶ cancelled ─┤
            └─────────── retry, redo ─────────┘

    A redo that fails or is cancelled ends `completed`, with the result that stood before it.
    """

    NEW = "new"
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Verdict(models.TextChoices):
    """What somebody who looked at a result said of it."""

    ACCEPTED = "accepted"
    ORIGINAL = "original"  # keep the photo's own background


ACTIVE = (Status.NEW, Status.QUEUED, Status.PROCESSING)


# When somebody last asked for a photo: it waits since then, and a pause that drains holds what was asked for later.
ASKED_AT = Coalesce("queued_at", "created_at")


def is_due() -> Q:
    """Of rows that may be waiting for their next try."""
    return Q(not_before=None) | Q(not_before__lte=timezone.now())


class Job(models.Model):
    """What one person handed over in one go, with one recipe. Its status is derived from its uploads (`progress`)."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="jobs")
    token = models.ForeignKey(
        Token, models.SET_NULL, null=True, blank=True, related_name="jobs", help_text="With which it was made."
    )
    name = models.CharField(max_length=200)
    recipe = models.JSONField()
    is_open = models.BooleanField(default=False, help_text="More files are still to come.")
    is_draft = models.BooleanField(default=False, help_text="A product CSV that nobody started yet: nothing runs.")
    request_id = models.CharField(max_length=40, blank=True, help_text="Of the request that made it, for the logs.")
    created_at = models.DateTimeField(default=timezone.now)
    touched_at = models.DateTimeField(default=timezone.now, help_text="When the last file came.")
    deleted_at = models.DateTimeField(null=True, blank=True, help_text="Hidden since; removed for good later.")

    class Meta:
        indexes = [
            models.Index(fields=["owner", "-created_at"], name="job_owner_newest"),
            models.Index(fields=["-created_at"], name="job_newest"),
            models.Index(fields=["deleted_at"], name="job_deleted", condition=Q(deleted_at__isnull=False)),
            models.Index(fields=["touched_at"], name="job_open", condition=Q(is_open=True)),
        ]

    def __str__(self) -> str:
        return f"Job {self.pk}, {self.name}"


class Archive(models.Model):
    """A ZIP of a job, kept until each of its photos is in the house."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="archives")
    name = models.CharField(max_length=255)
    key = models.CharField(max_length=255)
    bytes = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return self.name


class Upload(models.Model):
    """One photo of a job: its original, its state, its error. The unit of queueing, retry and cancel."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="uploads")
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=255, help_text="Safe as a file name, once per job.")
    sent_name = models.CharField(max_length=1024, help_text="The name as it was sent.")

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.NEW)
    step = models.CharField(max_length=40, blank=True)
    steps_done = models.PositiveSmallIntegerField(default=0)
    steps_total = models.PositiveSmallIntegerField(default=0)
    recipe = models.JSONField(null=True, blank=True, help_text="Its own, where it was redone; else the job's.")

    attempts = models.PositiveSmallIntegerField(default=0)
    claim = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    nudged_at = models.DateTimeField(null=True, blank=True, help_text="When Redis was told of it.")

    waits_for = models.CharField(
        max_length=300, blank=True, help_text="The breaker that must close before it is tried."
    )

    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    error_remedy = models.CharField(max_length=500, blank=True)
    error_detail = models.TextField(blank=True, help_text="The traceback, for superusers.")

    archive = models.ForeignKey(Archive, models.RESTRICT, null=True, blank=True, related_name="uploads")
    entry = models.PositiveIntegerField(null=True, blank=True, help_text="Its number inside the ZIP.")
    url = models.CharField(max_length=2048, blank=True, help_text="Where it is fetched from.")
    host = models.CharField(max_length=255, blank=True, help_text="The host of that address.")
    bucket_key = models.CharField(
        max_length=1024, blank=True, default="", db_default="",
        help_text="Where in the bucket it is found, until it is here.",
    )  # fmt: skip
    source = models.CharField(max_length=255, blank=True, help_text="Where the original lies; empty until it is here.")
    source_format = models.CharField(max_length=10, blank=True)
    source_width = models.PositiveIntegerField(null=True, blank=True)
    source_height = models.PositiveIntegerField(null=True, blank=True)
    source_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    source_sha256 = models.CharField(max_length=64, blank=True)
    source_removed_at = models.DateTimeField(
        null=True, blank=True, help_text="It was here, and is kept no longer (`retention`)."
    )
    results_removed_at = models.DateTimeField(null=True, blank=True, help_text="Their files are kept no longer.")

    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    queued_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    made: "list[Variant]"  # set where `watch` prefetches them
    facts = models.JSONField(default=dict, blank=True, help_text="What the pipeline found and how long it took.")

    work_key = models.CharField(
        max_length=64, blank=True, default="", db_default="",
        help_text="What names the work that its result came from (`reuse`).",
    )  # fmt: skip

    needs_review = models.BooleanField(default=False, help_text="Completed, but somebody should look at it.")
    review_reason = models.CharField(max_length=200, blank=True)
    verdict = models.CharField(
        max_length=10, choices=Verdict.choices, blank=True, help_text="What somebody said of it."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "position"], name="upload_position_once"),
            models.UniqueConstraint(fields=["job", "name"], name="upload_name_once"),
        ]
        indexes = [
            models.Index(fields=["job", "status", "position"], name="upload_of_job"),
            models.Index(fields=["job", "changed_at"], name="upload_changes"),
            models.Index(
                fields=["status", "job", "nudged_at"],
                name="upload_active",
                condition=Q(status__in=["new", "queued", "processing"]),
            ),
            models.Index(fields=["lease_until"], name="upload_claimed", condition=Q(claim__isnull=False)),
            models.Index(fields=["job", "source_sha256"], name="upload_content", condition=~Q(source_sha256="")),
            models.Index(fields=["host"], name="upload_to_fetch", condition=Q(status="new") & ~Q(url="")),
            models.Index(fields=["job"], name="upload_to_find", condition=Q(status="new") & ~Q(bucket_key="")),
            models.Index(fields=["bucket_key"], name="upload_in_bucket", condition=~Q(bucket_key="")),
            models.Index(fields=["work_key"], name="upload_same_work", condition=~Q(work_key="")),
            models.Index(fields=["status", "finished_at", "job"], name="upload_ended"),
            models.Index(fields=["job"], name="upload_to_review", condition=Q(needs_review=True)),
            models.Index(fields=["waits_for"], name="upload_parked", condition=~Q(waits_for="")),
            models.Index(  # with the status, so that SQLite finds all that it needs in the index
                fields=["status", "error_code", "finished_at", "job"],
                name="upload_failures",
                condition=Q(status="failed"),
            ),
        ]
        permissions = [
            ("retry_upload", "Can retry photos"),
            ("cancel_upload", "Can cancel photos"),
            ("download_upload", "Can download everybody's photos"),
        ]  # delete_upload is Django's own

    def __str__(self) -> str:
        return f"Upload {self.pk}, {self.name}"


class Variant(models.Model):
    """One file made from an upload: `result`, `thumbnail`, `preview`; `source-…` ones show the original."""

    class Status(models.TextChoices):
        PENDING = "pending"
        COMPLETED = "completed"
        FAILED = "failed"
        SKIPPED = "skipped"

    upload = models.ForeignKey(Upload, models.CASCADE, related_name="variants")
    name = models.CharField(max_length=30)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    key = models.CharField(max_length=255, blank=True)
    format = models.CharField(max_length=10, blank=True)
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["upload", "name"], name="variant_once")]
        indexes = [models.Index(fields=["id"], name="variant_pending", condition=Q(status="pending"))]

    def __str__(self) -> str:
        return f"{self.name} of upload {self.upload_id}"


class Incoming(models.Model):
    """Leave to send one file straight into the bucket, and under which name it is meant. Gone once a job has it."""

    key = models.CharField(max_length=255, primary_key=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=1024, help_text="As it was sent.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="incoming_oldest")]

    def __str__(self) -> str:
        return self.name


class Refusal(models.Model):
    """A file that was handed over with a job and not accepted, and why."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="refusals")
    name = models.CharField(max_length=1024)
    code = models.CharField(max_length=40)
    detail = models.CharField(max_length=1000)

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


class Receipt(models.Model):
    """What was answered to a key, so that the same request sent twice creates once."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    key = models.CharField(max_length=100)
    job = models.ForeignKey(Job, models.CASCADE, null=True)
    answer = models.JSONField(null=True)
    fingerprint = models.CharField(max_length=64, blank=True, help_text="Of what was asked, where that is compared.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="receipt_once")]

    def __str__(self) -> str:
        return self.key
