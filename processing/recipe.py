"""A person's choices as one frozen value: from a form, from JSON, from the command line; checked when it is built."""

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from processing import catalogue

Format = Literal["auto", "png", "webp", "jpg"]


class Recipe(BaseModel):
    """What is to be done with a photo. Field names, limits and defaults hold for form, API and command line alike.

    Building one raises `pydantic.ValidationError` when a value does not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    remove_bg: bool = Field(default=True, title="Remove the background")
    model: Literal[tuple(catalogue.MODELS)] = Field(  # type: ignore[valid-type]
        default_factory=catalogue.best_installed, title="Model", description="The network that finds the subject."
    )
    crop_face: bool = Field(default=False, title="Crop to the face")
    format: Format = Field(
        default="auto", title="Format", description="auto: PNG where there is transparency, else JPEG."
    )
    quality: int = Field(default=85, ge=1, le=100, title="Quality", description="For JPEG and WEBP, 1 to 100.")

    def check_installed(self) -> None:
        """Refuse at the door what cannot run here. Raises PhotoError `model_not_installed`."""
        if self.remove_bg:
            catalogue.require(self.model)
        if self.crop_face:
            catalogue.require(catalogue.FACES.name)

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


def choices(field: str) -> tuple[str, ...]:
    """The words that a field allows; empty where it takes something else."""
    return tuple(str(choice) for choice in get_args(Recipe.model_fields[field].annotation))


def problems(error: ValidationError) -> list[tuple[str, str]]:
    """What is wrong with the values, as (field, sentence)."""
    return [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()]
