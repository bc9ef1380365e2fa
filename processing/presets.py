"""Recipes that wait under a name: some that are always there, and those that people saved."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q

from processing import access, backgrounds, catalogue, installed, watch
from processing.errors import PhotoError
from processing.intake.names import line
from processing.models import DefaultPreset, Preset
from processing.recipe import Recipe, fitting


@dataclass(frozen=True)
class BuiltIn:
    """One that every house has: its name, its title for people, and what it changes of a plain recipe."""

    name: str
    title: str
    changes: Mapping[str, Any]

    @property
    def recipe(self) -> Recipe:
        return Recipe(**self.changes)


# What market places ask for: the product large in the middle of a white square.
SQUARE = {
    "background": "white", "format": "jpg",
    "trim": True, "padding": "8%", "size": "1200x1200", "fit": "pad", "enlarge": True,
}  # fmt: skip
BUILT_IN = {
    preset.name: preset
    for preset in (
        BuiltIn("cutout", "Cut-out", {}),
        BuiltIn("white", "On white", {"background": "white", "format": "jpg"}),
        BuiltIn("square", "Square", SQUARE),
        BuiltIn("portrait", "Portrait", {"crop_face": True, "face_preset": "headshot", "background": "#e8eaed"}),
        BuiltIn("compress", "Compress", {"remove_bg": False, "quality": 50}),
    )
}


class NameTaken(Exception):
    """There is a preset of that name already, among the person's own or among the shared ones."""


def name_of(text: str) -> str:
    """A name as it is kept: one line of 60 characters at most; empty where nothing can be seen."""
    return line(text, 60)


def listed(person: access.Person) -> list[Preset]:
    """The person's own by name, then those that others share."""
    rows, own = access.presets(person).select_related("owner"), access.owner_id(person)
    return sorted(rows, key=lambda preset: (preset.owner_id != own, preset.name.casefold()))


def recipe_of(person: access.Person, named: str) -> Recipe | None:
    """That of the built-in preset of this name, else of the saved one of this name or number, the person's own before
    one that others share; as far as it fits a recipe of today."""
    if named in BUILT_IN:
        return BUILT_IN[named].recipe
    found = access.presets(person).filter(Q(name=named) | Q(pk=watch.number(named)))
    first = min(found, key=lambda preset: preset.owner_id != access.owner_id(person), default=None)
    return fitting(first.recipe)[0] if first else None


def save(owner: User, name: str, recipe: Recipe, *, replace: bool = False) -> Preset:
    """Keep the recipe under this name. Raises NameTaken, unless it may `replace` the owner's own of that name."""
    if replace:
        return Preset.objects.update_or_create(owner=owner, name=name, defaults={"recipe": recipe.to_json()})[0]
    with _name_once():
        return Preset.objects.create(owner=owner, name=name, recipe=recipe.to_json())


def rename(preset: Preset, name: str) -> None:
    """Raises NameTaken."""
    with _name_once():
        Preset.objects.filter(pk=preset.pk).update(name=name)


def share(preset: Preset, shared: bool) -> None:
    """Show it to everybody, or to its owner alone. Raises NameTaken where another shared one has its name."""
    with _name_once():
        Preset.objects.filter(pk=preset.pk).update(is_shared=shared)


def make_default(person: User, preset: Preset | None) -> None:
    """The preset with which the person's new jobs begin; None for none."""
    if preset is None:
        DefaultPreset.objects.filter(person=person).delete()
    else:
        DefaultPreset.objects.update_or_create(person=person, defaults={"preset": preset})


def default_of(person: User) -> Preset | None:
    """The person's default preset, while the person may see it."""
    chosen = DefaultPreset.objects.filter(person=person).values("preset_id")
    return access.presets(person).filter(pk__in=chosen).first()


def opened(person: User, preset: Preset) -> tuple[Recipe, list[str]]:
    """The recipe as far as it fits here and now, and the titles of the fields that are at their defaults instead.

    What the preset says may be of an older version, or name a model or an image that is not here any more.
    """
    recipe, lost = fitting(preset.recipe)
    if not catalogue.MODELS[recipe.model].installed or not installed.is_allowed(recipe.model):
        recipe, lost = recipe.model_copy(update={"model": catalogue.best_installed()}), [*lost, "model"]
    try:
        backgrounds.check(person.pk, recipe)
    except PhotoError:
        recipe, lost = recipe.model_copy(update={"background": "transparent"}), [*lost, "background"]
    fields = Recipe.model_fields
    return recipe, [str(fields[name].title) if name in fields else name for name in lost]


@contextmanager
def _name_once() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise NameTaken from None
