"""The flags of a recipe, made from its fields, for the commands that take one."""

import json
from argparse import SUPPRESS, BooleanOptionalAction, _ArgumentGroup
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from pydantic import ValidationError

from processing import recipe
from processing.recipe import Recipe, group_of

FEW = 6  # choices that are named in a flag's own line


def add(parser: CommandParser, about_file: str) -> dict[str, _ArgumentGroup]:
    """A flag for each field under its heading, and `--recipe` for a file; gives the headings' groups."""
    parser.add_argument("--recipe", type=Path, metavar="FILE", help=about_file)
    groups = {name: parser.add_argument_group(name) for name in dict.fromkeys(map(group_of, Recipe.model_fields))}
    for name in Recipe.model_fields:
        _add(groups[group_of(name)].add_argument, name)
    return groups


def _add(add: Callable[..., Any], name: str) -> None:
    """The flag of one field of the recipe; left out, the recipe's own default holds."""
    field, flag = Recipe.model_fields[name], "--" + name.replace("_", "-")
    title, about = str(field.title), (field.description or "").replace("%", "%%")
    text = f"{title}. {about}".strip()
    words = recipe.choices(name)
    if field.annotation is bool:
        add(flag, action=BooleanOptionalAction, default=SUPPRESS, help=text)
    elif len(words) > FEW:
        text = f"{text} One of {', '.join(words)}."
        add(flag, choices=words, default=SUPPRESS, metavar="NAME", help=text)
    else:
        add(flag, choices=words or None, default=SUPPRESS, help=text)


def of_flags(options: dict[str, Any]) -> dict[str, Any]:
    """The fields that were given as flags."""
    return {name: options[name] for name in Recipe.model_fields if name in options}


def of_file(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of the file that `--recipe` names. Raises CommandError when it is no JSON object."""
    place: Path | None = options["recipe"]
    if place is None:
        return {}
    try:
        found = json.loads(place.read_text())
    except (OSError, ValueError):
        raise CommandError(f"{place} cannot be read as JSON.") from None
    if not isinstance(found, dict):
        raise CommandError(f"{place} is no recipe: it begins with {{.")
    return found


def built(values: dict[str, Any]) -> Recipe:
    """Raises CommandError, one line for each field that does not fit."""
    try:
        return Recipe(**values)
    except ValidationError as error:
        raise CommandError("\n".join(f"{field}: {sentence}" for field, sentence in recipe.problems(error))) from None
