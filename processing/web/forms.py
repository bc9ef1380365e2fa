"""The form of a recipe, made from the recipe's own fields."""

from typing import Any

from django import forms
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from processing.errors import PhotoError
from processing.recipe import Recipe, choices, problems


def _field(name: str, info: FieldInfo) -> forms.Field:
    common: dict[str, Any] = {"label": info.title, "help_text": info.description or "", "required": False}
    initial = info.get_default(call_default_factory=True)
    if info.annotation is bool:
        return forms.BooleanField(initial=initial, **common)
    if choices(name):
        return forms.ChoiceField(choices=[(word, word) for word in choices(name)], initial=initial, **common)
    if info.annotation is int:
        return forms.IntegerField(initial=initial, **common)
    return forms.CharField(initial=initial, **common)


class RecipeForm(forms.Form):
    """Adding a field to `Recipe` adds it here."""

    recipe: Recipe

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.update({name: _field(name, info) for name, info in Recipe.model_fields.items()})

    def clean(self) -> dict[str, Any]:
        values = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        try:
            self.recipe = Recipe(**values)
            self.recipe.check_installed()
        except ValidationError as error:
            for field, sentence in problems(error):
                self.add_error(field if field in self.fields else None, sentence)
        except PhotoError as error:
            self.add_error("model", error.detail)
        return self.cleaned_data

    @property
    def problem(self) -> str:
        """All that is wrong, in one line."""
        return " ".join(str(sentence) for sentences in self.errors.values() for sentence in sentences)
