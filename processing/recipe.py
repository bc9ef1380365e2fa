"""A person's choices as one frozen value: from a form, from JSON, from the command line; checked when it is built."""

import re
from typing import Annotated, Any, Literal, get_args

from PIL import ImageColor
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from processing import catalogue
from processing.face_presets import PRESETS as FACE_PRESETS
from processing.header import MOST_PIXELS

Refine = Literal["none", "smooth", "guided", "matting"]
Shadow = Literal["none", "soft"]
FacePolicy = Literal["largest", "center", "all", "reject"]
Fit = Literal["contain", "cover", "pad"]
Position = Literal[
    "center", "top", "bottom", "left", "right", "top-left", "top-right", "bottom-left", "bottom-right"
]  # fmt: skip
Format = Literal["auto", "png", "webp", "jpg", "avif"]
Effort = Literal["fast", "small"]

MOST_SIDE = 8192  # px that a person may ask for
MOST_VARIANTS = 20
SIZES = {"thumbnail": 320, "small": 640, "preview": 1024, "web": 1600, "large": 2400}  # longest side, px
IMAGE = "image:"  # before the SHA-256 of an uploaded background

_MARGIN = re.compile(r"(\d{1,4})(?:px)?|(\d{1,2}(?:\.\d{1,2})?)%")
_SIZE = re.compile(r"(\d{1,4})?x(\d{1,4})?")
_VARIANT = re.compile(r"([a-z][a-z0-9_]{0,19})(?::(\d{1,4}(?:x\d{1,4})?|x\d{1,4}))?")
_HEX = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{4}|[0-9a-f]{6}|[0-9a-f]{8})")
_BYTES = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([km]?)b?")


def _words(value: Any) -> Any:
    """Names parted by spaces or commas, as a form and a command line give them."""
    return tuple(re.split(r"[\s,]+", value.strip())) if isinstance(value, str) and value.strip() else value or ()


def _bytes(value: Any) -> Any:
    """Bytes of "300 kB" or "1.2 MB" (powers of ten); numbers as they are."""
    if not isinstance(value, str) or not value.strip():
        return value or None
    found = _BYTES.fullmatch(value.strip().lower())
    if not found:
        raise ValueError("A size is a number of bytes, kB or MB: 300 kB, 1.2 MB.")
    return round(float(found[1]) * {"": 1, "k": 1000, "m": 1_000_000}[found[2]])


def _option(default: Any, title: str, about: str = "", group: str = "", **more: Any) -> Any:
    """A field: its name for people, a line about it, and the heading that it stands under in the form."""
    return Field(default=default, title=title, description=about, json_schema_extra={"group": group}, **more)


class Recipe(BaseModel):
    """What is to be done with a photo. Field names, limits and defaults hold for form, API and command line alike.

    Building one raises `pydantic.ValidationError` when a value does not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)

    remove_bg: bool = _option(True, "Remove the background", group="Subject")
    model: Literal[tuple(catalogue.MODELS)] = Field(  # type: ignore[valid-type]
        default_factory=catalogue.best_installed, title="Model", description="The network that finds the subject.",
        json_schema_extra={"group": "Subject"},
    )  # fmt: skip
    refine: Refine = _option(
        "guided", "Edge finish", "guided follows the photo; smooth rounds; matting is slow and best for hair.", "Edges"
    )
    decontaminate: bool = _option(
        True, "Clean the edge colour", "Takes the old background out of hair and glass.", "Edges"
    )
    trim: bool = _option(False, "Trim empty space", group="Frame")
    padding: str = _option("0", "Margin", "In px, or % of the shorter side: 40, 5%.", "Frame")
    background: str = _option(
        "transparent", "Background", "transparent, a colour (#fff, teal), blur, or an uploaded image.", "Background"
    )
    shadow: Shadow = _option("none", "Shadow", group="Background")
    crop_face: bool = _option(False, "Crop to the face", "Photos without a face fail, and say so.", "Face")
    face_policy: FacePolicy = _option(
        "largest", "Several faces", "all gives one result for each; reject fails unless there is exactly one.", "Face"
    )
    no_face: Literal["fail", "keep"] = _option("fail", "No face", "keep leaves the photo uncropped.", "Face")
    face_preset: Literal[tuple(FACE_PRESETS)] = _option(  # type: ignore[valid-type]
        "headshot", "Face format", "How large the head is and where the eyes are.", "Face"
    )
    face_align: bool = _option(True, "Level the eyes", "Turns the photo so that the eyes are level.", "Face")
    size: str = _option("", "Size", "Width x height in px: 1200x1200, 1200x or x800; empty: as it comes.", "Frame")
    fit: Fit = _option(
        "contain", "Fit", "contain stays whole inside; cover fills and cuts; pad fills up with background.", "Frame"
    )
    position: Position = _option("center", "Position", "What cover keeps, and where pad puts the picture.", "Frame")
    enlarge: bool = _option(False, "Enlarge small photos", "Else what is smaller than the size stays so.", "Frame")
    format: Format = _option("auto", "Format", "auto: PNG where there is transparency, else JPEG.", "File")
    channels: Literal["rgba", "alpha"] = _option("rgba", "Channels", "alpha gives the mask alone, in grey.", "File")
    quality: int = _option(85, "Quality", "For JPEG, WEBP and AVIF, 1 to 100.", "File", ge=1, le=100)
    effort: Effort = _option("fast", "Effort", "small takes longer and saves bytes.", "File")
    max_bytes: Annotated[int | None, BeforeValidator(_bytes)] = _option(
        None, "At most", "The highest quality that fits: 300 kB, 1.2 MB.", "File", ge=1000
    )
    dpi: int = _option(300, "DPI", "Written into the file; formats in mm are cut by it.", "File", ge=72, le=1200)
    metadata: Literal["strip", "keep-copyright"] = _option(
        "strip", "Metadata", "keep-copyright keeps artist and copyright; the place never stays.", "File"
    )
    variants: Annotated[tuple[str, ...], BeforeValidator(_words)] = _option(
        ("thumbnail", "preview"), "Extra sizes",
        f"WEBP files beside the result: {', '.join(SIZES)}, or a name with its size, hero:1920x1080.", "File",
        max_length=MOST_VARIANTS,
    )  # fmt: skip

    @field_validator("padding", mode="before")
    @classmethod
    def _check_padding(cls, value: Any) -> str:
        text = str(value).replace(" ", "").lower() or "0"
        if not _MARGIN.fullmatch(text):
            raise ValueError("A margin is a number of px up to 9999, or up to 99 %: 40, 5%.")
        return text.removesuffix("px")

    @field_validator("size", mode="before")
    @classmethod
    def _check_size(cls, value: Any) -> str:
        text = str(value or "").replace(" ", "").lower().replace("×", "x")
        found = _SIZE.fullmatch(text)
        if text and (not found or text == "x"):
            raise ValueError("A size is width x height in px: 1200x1200, 1200x or x800.")
        _check_sides(*(int(side) for side in found.groups() if side)) if found else None
        return text

    @field_validator("size")
    @classmethod
    def _check_room(cls, value: str, info: ValidationInfo) -> str:
        shorter = min((int(side) for side in value.split("x") if side), default=None)
        if shorter and 2 * _margin(info.data.get("padding", "0"), shorter) >= shorter:
            raise ValueError("The margin leaves no room inside the size.")
        return value

    @field_validator("background", mode="before")
    @classmethod
    def _check_background(cls, value: Any) -> str:
        text = str(value or "transparent").strip().lower()
        if text in ("transparent", "blur") or text in ImageColor.colormap:
            return text
        if found := _HEX.fullmatch(text):
            return f"#{found[1]}"
        if re.fullmatch(IMAGE + r"[0-9a-f]{64}", text):
            return text
        raise ValueError("A background is transparent, blur, a colour such as #ffffff or teal, or an uploaded image.")

    @field_validator("variants")
    @classmethod
    def _check_variants(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for word in value:
            found = _VARIANT.fullmatch(word)
            if not found or bool(found[2]) == (found[1] in SIZES) or found[1] in ("result", "original", "source"):
                raise ValueError(
                    f"{word[:40]!r} is none of {', '.join(SIZES)}, and no name with a size: hero:1920x1080."
                )
            if found[2]:
                _check_sides(*(int(side) for side in found[2].split("x") if side))
        names = [word.partition(":")[0] for word in value]
        if len(set(names)) < len(names):
            raise ValueError("Each extra size needs a name of its own.")
        return value

    @property
    def box(self) -> tuple[int | None, int | None]:
        """The width and height asked for in px; None where the other side decides."""
        width, _, height = self.size.partition("x")
        return int(width) if width else None, int(height) if height else None

    @property
    def extra_sizes(self) -> dict[str, tuple[int, int]]:
        """The largest width and height in px of each variant asked for, by name."""
        found = {}
        for word in self.variants:
            name, _, size = word.partition(":")
            width, _, height = size.partition("x")
            side = SIZES.get(name) or int(width or height)
            found[name] = (side, side) if name in SIZES else (int(width or MOST_SIDE), int(height or MOST_SIDE))
        return found

    @property
    def background_image(self) -> str | None:
        """The SHA-256 of the uploaded background, in hexadecimal."""
        return self.background.removeprefix(IMAGE) if self.background.startswith(IMAGE) else None

    def margin(self, side: int) -> int:
        """The padding in px, where % is of `side` px."""
        return _margin(self.padding, side)

    def check_installed(self) -> None:
        """Refuse at the door what cannot run here. Raises PhotoError `model_not_installed`."""
        if self.remove_bg:
            catalogue.require(self.model)
        if self.crop_face:
            catalogue.require(catalogue.FACES.name)

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


def _margin(padding: str, side: int) -> int:
    return round(float(padding[:-1]) / 100 * side) if padding.endswith("%") else int(padding)


def _check_sides(*sides: int) -> None:
    if not all(1 <= side <= MOST_SIDE for side in sides):
        raise ValueError(f"A side has 1 to {MOST_SIDE} px.")
    if len(sides) == 2 and sides[0] * sides[1] > MOST_PIXELS:
        raise ValueError(f"That is more than {MOST_PIXELS // 1_000_000} megapixels.")


def fitting(values: dict[str, Any]) -> tuple[Recipe, list[str]]:
    """What was kept as JSON, maybe by an older version, as far as it fits; and the fields that are at their defaults
    instead."""
    try:
        return Recipe(**values), []
    except ValidationError as error:
        lost = list(dict.fromkeys(field for field, _ in problems(error)))
    return Recipe(**{name: value for name, value in values.items() if name not in lost}), lost


def numbered(name: str, number: int) -> str:
    """What a file of the n-th result is called: result, result-2, …; web, web-2, …"""
    return name if number == 1 else f"{name}-{number}"


def addition(variant: str) -> str:
    """What tells a variant's file from the photo's others: nothing for result, -2 for result-2, -web for web."""
    name, dash, number = variant.partition("-")
    return f"{dash}{number}" if name == "result" else f"-{variant}"


def choices(field: str) -> tuple[str, ...]:
    """The words that a field allows; empty where it takes something else."""
    annotation = Recipe.model_fields[field].annotation
    return tuple(word for word in get_args(annotation) if isinstance(word, str))


def group_of(field: str) -> str:
    """The heading under which a form shows the field."""
    extra = Recipe.model_fields[field].json_schema_extra
    assert isinstance(extra, dict)
    return str(extra["group"])


def problems(error: ValidationError) -> list[tuple[str, str]]:
    """What is wrong with the values, as (field, sentence)."""
    return [(str(one["loc"][0]) if one["loc"] else "", sentence(one)) for one in error.errors()]


_SENTENCES = {
    "greater_than_equal": "That is too little: {ge} at least.",
    "less_than_equal": "That is too much: {le} at most.",
    "literal_error": "It is one of {expected}.",
    "int_parsing": "A whole number belongs here.",
    "int_type": "A whole number belongs here.",
    "int_from_float": "A whole number belongs here.",
    "bool_parsing": "It is true or false.",
    "extra_forbidden": "There is no such field.",
    "missing": "This is missing.",
    "string_type": "A text belongs here.",
    "list_type": "A list belongs here.",
    "model_type": "An object belongs here.",
    "string_too_long": "That is too long: {max_length} characters at most.",
    "too_long": "That is too many: {max_length} at most.",
}


def sentence(error: Any) -> str:
    known = _SENTENCES.get(error["type"])
    return known.format(**error.get("ctx", {})) if known else error["msg"].removeprefix("Value error, ")
