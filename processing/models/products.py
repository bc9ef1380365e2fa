"""A product CSV, its rows, the photos that each row names, and the links to what became of them."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from processing.models.jobs import Job, Upload


class ProductCsv(models.Model):
    """The CSV of a job as it came, and how it is read. Its cells stay in the file; rows hold what is done with them."""

    job = models.OneToOneField(Job, models.CASCADE, related_name="product_csv")
    name = models.CharField(max_length=1024, help_text="The name as it was sent.")
    key = models.CharField(max_length=255)
    bytes = models.PositiveBigIntegerField()
    encoding = models.CharField(max_length=20, help_text="Python's name for it, with -sig for a BOM.")
    delimiter = models.CharField(max_length=1)
    header = models.JSONField(help_text="The cells of its first line.")
    columns = models.JSONField(help_text="Which column, from 0, is serial, name, urls.")
    skipped = models.PositiveIntegerField(default=0, help_text="Lines without anything in them.")

    def __str__(self) -> str:
        return self.name


class ProductRow(models.Model):
    """One data line of a product CSV: who it is, the addresses it names, what is wrong with it."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="rows")
    position = models.PositiveIntegerField(help_text="Its place in the file, from 0.")
    line = models.PositiveIntegerField(help_text="The line of the file in which it begins, from 1.")
    serial = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=300, blank=True)
    urls = models.JSONField(default=list, help_text="Its addresses, in order.")
    mended = models.JSONField(null=True, blank=True, help_text="Its cells, where somebody changed one.")

    problem_code = models.CharField(max_length=40, blank=True, help_text="Why it cannot run; empty where it can.")
    problem_column = models.CharField(max_length=10, blank=True, help_text="serial, name or urls; else the whole row.")
    problem = models.CharField(max_length=500, blank=True)
    is_left_out = models.BooleanField(default=False, help_text="By somebody's choice.")
    carried = models.JSONField(
        null=True, blank=True, help_text="What an earlier run made of it, by column: it is completed, and does not run."
    )
    photos = models.ManyToManyField(Upload, through="RowPhoto", related_name="rows")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "position"], name="row_once")]
        indexes = [
            models.Index(fields=["job", "serial"], name="row_serial"),
            models.Index(fields=["job"], name="row_problems", condition=~Q(problem_code="")),
        ]

    def __str__(self) -> str:
        return f"Line {self.line} of job {self.job_id}"


class RowPhoto(models.Model):
    """A photo of a row. An address that stands in several rows is one photo of each."""

    row = models.ForeignKey(ProductRow, models.CASCADE, related_name="row_photos")
    upload = models.ForeignKey(Upload, models.CASCADE, related_name="row_photos")
    position = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["row", "position"], name="row_photo_once")]

    def __str__(self) -> str:
        return f"Photo {self.position} of row {self.row_id}"


class OutputLinks(models.Model):
    """Leave to fetch a job's results by signed addresses without signing in, until revoked or expired."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="output_links")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Output links {self.pk} of job {self.job_id}"
