"""The form of a recipe, made from the recipe's own fields."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from processing import installed, show
from processing.errors import PhotoError
from processing.recipe import Recipe, choices, group_of, problems

SIMPLE = ("remove_bg", "model", "background", "crop_face")  # the page shows these in their own way, before the others
ANY_COLOUR = "colour"  # chosen as the background, it stands for what was typed beside it
SWATCHES = {
    "transparent": "Transparent", "white": "White", "#e8eaed": "Light grey", "black": "Black", "blur": "Blurred photo",
}  # fmt: skip


def _field(name: str, info: FieldInfo) -> forms.Field:
    common: dict[str, Any] = {"label": info.title, "help_text": info.description or "", "required": False}
    common["initial"] = show.written(name, info.get_default(call_default_factory=True))
    # So that the page's script can say what is not the default.
    attrs: dict[str, Any] = {"data-standard": common["initial"]}
    if info.annotation is bool:
        attrs |= {"role": "switch", "data-standard": json.dumps(common["initial"])}
        attrs["data-said"] = json.dumps({"true": show.phrase(name, True), "false": show.phrase(name, False)})
        return forms.BooleanField(widget=forms.CheckboxInput(attrs), **common)
    if words := choices(name):
        attrs["data-said"] = json.dumps({word: show.phrase(name, word) for word in words})
        offered = [(word, show.word(name, word)) for word in words]
        return forms.ChoiceField(choices=offered, widget=forms.Select(attrs), **common)
    attrs["data-said"] = json.dumps({"": show.phrase(name, "{}")})
    if info.annotation is int:
        limits = {key: getattr(one, key) for one in info.metadata for key in ("ge", "le") if hasattr(one, key)}
        attrs |= {"min": limits.get("ge"), "max": limits.get("le")}
        return forms.IntegerField(widget=forms.NumberInput(attrs), **common)
    return forms.CharField(widget=forms.TextInput(attrs), **common)


def _whole(sent: dict[str, Any], fields: dict[str, forms.Field]) -> dict[str, Any]:
    """What was sent, and the defaults of what was not; but a switch that is off is never sent."""
    defaults = {name: field.initial for name, field in fields.items() if not isinstance(field, forms.BooleanField)}
    if sent.get("background") == ANY_COLOUR:
        sent["background"] = sent.get("background_colour", "").strip() or ANY_COLOUR
    return defaults | sent


class RecipeForm(forms.Form):
    """Adding a field to `Recipe` adds it here."""

    recipe: Recipe

    def __init__(self, data: Mapping[str, Any] | None = None, *, recipe: Recipe | None = None) -> None:
        """Bound to what was sent, or filled from a recipe."""
        fields = {name: _field(name, info) for name, info in Recipe.model_fields.items()}
        if data is not None:
            data = _whole(dict(data.items()), fields)
        super().__init__(data, initial=values(recipe) if recipe else None)
        self.fields.update(fields)

    def clean(self) -> dict[str, Any]:
        try:
            self.recipe = Recipe(**{name: value for name, value in self.cleaned_data.items() if value is not None})
            installed.check(self.recipe)
        except ValidationError as error:
            for field, sentence in problems(error):
                self.add_error(field if field in self.fields else None, sentence)
        except PhotoError as error:
            self.add_error("model", error.detail)
        return self.cleaned_data

    @property
    def problem(self) -> str:
        """All that is wrong, in one line."""
        said = [f"{field.label}: {field.errors[0]}" for field in self.wrong]
        return " ".join([*map(str, self.non_field_errors()), *said])

    @property
    def wrong(self) -> list[forms.BoundField]:
        return [field for field in self if field.errors]

    @property
    def wrong_inside(self) -> bool:
        """Something is wrong among the fields that are not simple, which are folded."""
        return any(field.name not in SIMPLE for field in self.wrong)

    def groups(self) -> Iterator[tuple[str, list[forms.BoundField]]]:
        """The fields that are not simple, under their headings."""
        rest = [name for name in self.fields if name not in SIMPLE]
        for group in dict.fromkeys(map(group_of, rest)):
            yield group, [self[name] for name in rest if group_of(name) == group]

    @property
    def changes(self) -> dict[str, Any]:
        """What stands in the form and is not the default, by field."""
        return {field.name: field.value() for field in self if field.value() != self.fields[field.name].initial}

    @property
    def said(self) -> str:
        """What is not the default among the fields that are not simple: "WEBP, quality 60, 1200x1200"."""
        return ", ".join(show.phrase(name, value) for name, value in self.changes.items() if name not in SIMPLE)

    @property
    def colour(self) -> str:
        """The colour that was typed, where the background is none of the swatches."""
        value = self["background"].value()
        return "" if value in (*SWATCHES, ANY_COLOUR) or value.startswith("image:") else value


def values(recipe: Recipe) -> dict[str, Any]:
    """What stands in a form that is filled from this recipe."""
    return {name: show.written(name, getattr(recipe, name)) for name in Recipe.model_fields}
