"""Whatever is asked of whatever picture: files that are what the recipe says, or a code that makes sense."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from PIL import Image, ImageColor
from pydantic import ValidationError
from skimage import data

from processing import catalogue
from processing.errors import KINDS, PhotoError
from processing.pipeline.run import Made, Outcome, run
from processing.recipe import Recipe, choices

from . import networks
from .conftest import LIMITS, file, opened

UPLOADED = "image:" + "0" * 64
GROUND = file(Image.new("RGB", (90, 60), "orange"))

sides = st.integers(1, 400)
colours = st.sampled_from(["white", "teal", "#abc", "#1234", "#336699", "#33669980"])
extra_sizes = st.sampled_from(["thumbnail", "preview", "web", "tiny:1x1", "wide:300x20", "tall:x40", "hero:90"])

# What a field takes whose values are neither words of a list nor yes and no.
TEXTS: dict[str, st.SearchStrategy[Any]] = {
    "padding": st.one_of(st.just("0"), st.integers(0, 60).map(str), st.sampled_from(["0.5%", "7%", "99%", "9999"])),
    "background": st.one_of(st.sampled_from(["transparent", "blur", UPLOADED]), colours),
    "size": st.one_of(
        st.just(""), st.builds("{}x{}".format, sides, sides), sides.map("{}x".format), sides.map("x{}".format)
    ),
    "quality": st.integers(1, 100),
    "max_bytes": st.one_of(st.none(), st.sampled_from([1000, "3 kB", "1 MB"])),
    "dpi": st.sampled_from([72, 96, 300]),
    "variants": st.lists(extra_sizes, unique=True, max_size=3).map(tuple),
}
# Always drawn.
FIXED = {"model": st.just("u2netp"), "remove_bg": st.sampled_from([True, True, False])}


def values(field: str) -> st.SearchStrategy[Any]:
    """What may stand in a field; a new one that is no choice needs a line in TEXTS."""
    if Recipe.model_fields[field].annotation is bool:
        return st.booleans()
    return st.sampled_from(choices(field)) if choices(field) else TEXTS[field]


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Some say something of every field, some leave most as they come."""
    others = {field: values(field) for field in Recipe.model_fields if field not in FIXED}
    try:
        return Recipe(**draw(st.fixed_dictionaries(FIXED, optional=others) | st.fixed_dictionaries(FIXED | others)))
    except ValidationError:  # a margin that leaves no room
        reject()


def portrait(size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(data.astronaut()).crop((130, 0, 330, 250)).resize(size)


def two_faces(size: tuple[int, int]) -> Image.Image:
    both = Image.new("RGB", (400, 250))
    both.paste(portrait((200, 250)))
    both.paste(portrait((200, 250)), (200, 0))
    return both.resize(size)


def cup(size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, "white")
    image.paste("brown", (size[0] // 4, size[1] // 3, size[0] // 2, size[1] // 2))
    return image


PHOTOS = {
    "portrait": portrait,
    "two faces": two_faces,
    "cup": cup,
    "noise": lambda size: Image.effect_noise(size, 90).convert("RGB"),
    "blank": lambda size: Image.new("RGB", size, "teal"),
}
ALPHAS = {
    "noise": lambda size: Image.effect_noise(size, 120),
    "ramp": lambda size: Image.linear_gradient("L").resize(size),
    "nothing": lambda size: Image.new("L", size),
    "all": lambda size: Image.new("L", size, 255),
}
SIZES = st.one_of(
    st.tuples(st.integers(50, 260), st.integers(50, 260)), st.sampled_from([(50, 1500), (1500, 50), (50, 50)])
)


class Photo(NamedTuple):
    shows: str
    alpha: str
    mode: str
    size: tuple[int, int]
    format: str

    def file(self) -> bytes:
        image = PHOTOS[self.shows](self.size)
        if self.mode in ("RGBA", "LA"):
            image.putalpha(ALPHAS[self.alpha](self.size))
        return file(image.convert(self.mode), self.format)


photos = st.builds(
    Photo,
    shows=st.sampled_from(["portrait", "portrait", "portrait", *PHOTOS]),
    alpha=st.sampled_from(["ramp", "all", *ALPHAS]),
    mode=st.sampled_from(["RGB", "RGBA", "RGB", "RGBA", "L", "LA", "P", "1"]),
    size=SIZES,
    format=st.sampled_from(["PNG", "TIFF"]),
)


@pytest.fixture(scope="module", autouse=True)
def quick_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A stand-in: the real one takes most of the time, and is no less surprising."""
    faces = catalogue.FACES.path
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("U2NET_HOME", str(tmp_path_factory.mktemp("weights")))
        networks.install(catalogue.MODELS["u2netp"])
        catalogue.FACES.path.symlink_to(faces)
        yield


@pytest.mark.weights
@settings(
    max_examples=120, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # a smaller example would take minutes
)  # fmt: skip
@given(photo=photos, recipe=recipes())
def test_any_recipe_over_any_picture_gives_what_it_says_or_a_code(photo: Photo, recipe: Recipe) -> None:
    outcome = outcome_of(photo.file(), recipe)
    if isinstance(outcome, PhotoError):
        assert outcome.code in codes(recipe)
    else:
        check(outcome, recipe)


def outcome_of(source: bytes, recipe: Recipe) -> Outcome | PhotoError:
    try:
        return run(source, recipe, limits=LIMITS, ground=GROUND if recipe.background_image else None)
    except PhotoError as error:
        return error


def codes(recipe: Recipe) -> set[str]:
    """What may go wrong with a picture that can be read."""
    faces = {"no_face_found"} if recipe.no_face == "fail" else set()
    faces |= {"multiple_faces"} if recipe.face_policy == "reject" else set()
    found = {"unknown_foreground"} if recipe.remove_bg else set()
    found |= {"resolution_too_high"} if recipe.padding in ("99%", "9999") or recipe.enlarge else set()
    found |= (faces | {"face_too_small"}) if recipe.crop_face else set()
    return found & KINDS.keys()


def check(outcome: Outcome, recipe: Recipe) -> None:
    files = {made.name: made for made in outcome.files}
    results = [name for name in files if name.partition("-")[0] == "result"]
    assert results[0] == next(iter(files)) == "result"
    assert len(results) == 1 or (recipe.crop_face and recipe.face_policy == "all")
    for made in outcome.files:
        assert opened(made.data).size == (made.width, made.height), made.name
    for number, name in enumerate(results, 1):
        check_size(files[name], recipe)
        check_format(files[name], recipe)
        check_pixels(opened(files[name].data), recipe)
        check_variants(files, "" if number == 1 else f"-{number}", recipe)


def check_size(made: Made, recipe: Recipe) -> None:
    wide, high = recipe.box
    assert made.width <= (wide or made.width)
    assert made.height <= (high or made.height)
    exact = recipe.fit == "pad" or (recipe.fit == "cover" and recipe.enlarge)
    if exact and wide and high:
        assert (made.width, made.height) == (wide, high)


def check_format(made: Made, recipe: Recipe) -> None:
    image = opened(made.data)
    assert image.format == {"jpg": "JPEG"}.get(made.format, made.format.upper())
    if recipe.format != "auto":
        assert made.format == recipe.format
    elif image.has_transparency_data or recipe.channels == "alpha":
        assert made.format in ("png", "webp")  # a WEBP where a PNG has too many bytes
    else:
        assert made.format in ("jpg", "webp")


def check_pixels(image: Image.Image, recipe: Recipe) -> None:
    if image.format == "JPEG" or recipe.channels == "alpha" or is_opaque(recipe.background):
        assert not image.has_transparency_data or image.convert("RGBA").getchannel("A").getextrema() == (255, 255)
    if recipe.channels == "alpha":
        assert image.mode == "L" or image.format in ("WEBP", "AVIF") or recipe.max_bytes  # they hold grey as colours
        pixels = np.asarray(image.convert("RGB")).astype(int)
        assert np.ptp(pixels, axis=2).max() <= 3


def is_opaque(background: str) -> bool:
    if background in ("transparent", "blur") or background == UPLOADED:
        return background != "transparent"
    return ImageColor.getcolor(background, "RGBA")[3] == 255


def check_variants(files: dict[str, Made], number: str, recipe: Recipe) -> None:
    for name, (wide, high) in recipe.extra_sizes.items():
        made = files[f"{name}{number}"]
        assert made.format == "webp"
        assert 1 <= made.width <= wide
        assert 1 <= made.height <= high
