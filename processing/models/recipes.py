"""What people keep for their recipes: presets, backgrounds, and which models an operator allowed."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class Preset(models.Model):
    """A saved recipe with a name. A shared one, made by an operator, is there for everybody."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="presets")
    name = models.CharField(max_length=60)
    recipe = models.JSONField(help_text="All the fields of a recipe.")
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="preset_name_once"),
            models.UniqueConstraint(fields=["name"], condition=Q(is_shared=True), name="shared_preset_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class DefaultPreset(models.Model):
    """The preset with which a person's new job begins."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    preset = models.ForeignKey(Preset, models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return f"{self.person}: {self.preset}"


class BackgroundImage(models.Model):
    """A picture that a person uploaded to lie behind subjects; a recipe names it by its SHA-256."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="background_images")
    name = models.CharField(max_length=255)
    key = models.CharField(max_length=255)
    format = models.CharField(max_length=10)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64, db_index=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "sha256"], name="background_image_once")]

    def __str__(self) -> str:
        return self.name


class AllowedModel(models.Model):
    """A model whose licence forbids commercial use, and the operator who turned it on."""

    name = models.CharField(max_length=60, primary_key=True)
    allowed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    allowed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name
