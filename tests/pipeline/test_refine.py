"""Edges are held against pictures whose alpha and colours are known."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

from processing.pipeline import background, refine
from processing.pipeline.step import Picture
from processing.recipe import Recipe
from script.edge_truth import Truth, furry

WAYS = ("smooth", "guided", "matting")
NETWORK = 320
GOLDEN = Path(__file__).parent / "golden" / "edges-astronaut.png"


def bytes_of(values: np.ndarray) -> np.ndarray:
    return np.asarray(values).astype(np.uint8)


def seen(alpha: np.ndarray) -> np.ndarray:
    """What a network would say of a subject: soft, and no finer than its own pixels."""
    small = cv2.GaussianBlur(cv2.resize(alpha, (NETWORK, NETWORK), interpolation=cv2.INTER_AREA), (0, 0), 1.5)
    return bytes_of(255 * cv2.resize(small, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR))


def refined(photo: np.ndarray, mask: np.ndarray, **fields: object) -> np.ndarray:
    """The RGBA pixels after the step."""
    original = Image.fromarray(photo)
    cut = original.convert("RGB")
    cut.putalpha(Image.fromarray(mask))
    made = refine.refine(Picture(cut, original), Recipe(model="u2netp", **fields))
    return np.asarray(made[0].image)


def painted(alpha: np.ndarray) -> np.ndarray:
    """A photo of an orange thing with that alpha, before grey."""
    random = np.random.default_rng(1)
    colour = alpha[..., np.newaxis] * (220, 120, 40) + (1 - alpha[..., np.newaxis]) * (110, 115, 120)
    return bytes_of(np.clip(colour + random.normal(0, 2, colour.shape), 0, 255))


def disc(side: int = 500, *, radius: int = 150) -> np.ndarray:
    """Alpha of a round thing, with a smooth edge."""
    rows, columns = np.mgrid[:side, :side]
    return np.clip(radius - np.hypot(rows - side / 2, columns - side / 2) + 0.5, 0, 1)


@pytest.fixture(scope="module")
def fur() -> Truth:
    return furry("the sky", 0.06, side=480)


def test_the_edge_of_fur_is_far_nearer_to_the_truth(fur: Truth) -> None:
    mask = seen(fur.alpha)
    plain = fur.error(np.dstack([fur.photo, mask]))
    assert fur.error(refined(fur.photo, mask)) < 0.55 * plain
    assert fur.error(refined(fur.photo, mask, refine="matting")) < 0.5 * plain


def test_a_clean_outline_becomes_sharp() -> None:
    alpha = disc()
    cut = refined(painted(alpha), seen(alpha))
    assert np.abs(cut[..., 3] / 255 - alpha).mean() < 0.3 * np.abs(seen(alpha) / 255 - alpha).mean()


def test_the_edge_takes_the_subjects_own_colour(fur: Truth) -> None:
    cut = refined(fur.photo, bytes_of(255 * fur.alpha + 0.5), refine="none")
    edge = (fur.alpha > 0.2) & (fur.alpha < 0.8)
    before, after = (np.abs(one[edge, :3] / 255 - fur.colour[edge]).mean() for one in (fur.photo, cut))
    assert after < 0.5 * before
    assert np.array_equal(cut[..., 3], bytes_of(255 * fur.alpha + 0.5))


@pytest.mark.parametrize("way", WAYS)
def test_only_the_edge_is_changed(way: str, fur: Truth) -> None:
    mask = seen(fur.alpha)
    cut = refined(fur.photo, mask, refine=way)
    hard = (cut[..., 3] == 0) | (cut[..., 3] == 255)
    assert np.array_equal(cut[hard, :3], fur.photo[hard])
    inside, outside = (cv2.erode(bytes_of(sure), np.ones((41, 41))) > 0 for sure in (mask == 255, mask == 0))
    assert inside.any()
    assert (cut[inside, 3] == 255).all()
    assert (cut[outside, 3] == 0).all()


@pytest.mark.parametrize("way", WAYS)
def test_what_is_nearly_sure_becomes_sure(way: str) -> None:
    alpha = disc()
    noise = np.random.default_rng(2).integers(0, 9, alpha.shape)
    mask = bytes_of(np.where(alpha > 0.5, 255 - noise, noise))
    cut = refined(painted(alpha), mask, refine=way)
    away = np.abs(cv2.GaussianBlur(alpha, (0, 0), 5) - 0.5) > 0.49
    assert np.isin(cut[away, 3], (0, 255)).all()


@pytest.mark.parametrize("way", WAYS)
def test_a_hole_and_a_gap_stay_open(way: str) -> None:
    alpha = disc()
    alpha = np.minimum(alpha, 1 - np.roll(disc(radius=20), 60, axis=1))
    alpha[:250, 240:249] = 0
    cut = refined(painted(alpha), seen(alpha), refine=way)
    assert (cut[245:255, 305:315, 3] == 0).all()
    assert cut[120:230, 243:246, 3].max() < 60


@pytest.mark.parametrize("way", WAYS)
def test_a_thin_part_stays(way: str) -> None:
    alpha = disc(radius=120)
    alpha[248:253, 20:250] = 1
    mask = seen(alpha)
    cut = refined(painted(alpha), mask, refine=way)
    assert cut[250, 40:120, 3].min() > mask[250, 40:120].min() > 100


@pytest.mark.parametrize("way", WAYS)
def test_specks_go_and_pin_holes_close(way: str) -> None:
    alpha = disc()
    mask = seen(alpha)
    mask[40:45, 40:45] = 255
    mask[250:253, 250:253] = 0
    cut = refined(painted(alpha), mask, refine=way)
    assert cut[30:60, 30:60, 3].max() == 0
    assert cut[240:260, 240:260, 3].min() == 255


def test_two_things_of_one_size_are_no_specks() -> None:
    alpha = np.maximum(np.roll(disc(radius=30), 150, axis=1), np.roll(disc(radius=30), -150, axis=1))
    cut = refined(painted(alpha), seen(alpha))
    assert cut[250, 100, 3] == cut[250, 400, 3] == 255


def test_smooth_takes_the_stairs_away() -> None:
    alpha = disc(960, radius=300)
    steps = bytes_of(255 * (cv2.resize(alpha, (NETWORK, NETWORK)) > 0.5))
    stairs = cv2.resize(steps, alpha.shape, interpolation=cv2.INTER_NEAREST)
    cut = refined(painted(alpha), stairs, refine="smooth", decontaminate=False)
    before, after, best = (roughness(one) for one in (stairs, cut[..., 3], bytes_of(255 * alpha)))
    assert after - best < 0.5 * (before - best)


def roughness(alpha: np.ndarray) -> float:
    """How far the outline of a round thing in the middle is from round, in px."""
    outline = max(cv2.findContours(bytes_of(alpha > 127), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=len)
    return float(np.hypot(*(outline[:, 0] - np.array(alpha.shape) / 2).T).std())


def test_what_came_see_through_stays_so_and_keeps_its_colour() -> None:
    alpha = disc()
    glass = np.where(np.arange(500) < 250, 100, 255).astype(np.uint8) * np.ones((500, 1), np.uint8)
    photo = np.dstack([painted(alpha), glass])
    cut = refined(photo, bytes_of(seen(alpha).astype(int) * glass // 255))
    assert cut[..., 3].max(where=glass == 100, initial=0) == 100
    assert cut[250, 200, 3] == 100
    assert np.array_equal(cut[:, :250, :3], photo[:, :250, :3])


def test_a_white_thing_that_came_cut_out_keeps_its_edge() -> None:
    alpha = disc()
    white = np.dstack([np.full((500, 500, 3), 250, np.uint8), bytes_of(255 * alpha)])
    cut = refined(white, bytes_of(seen(alpha) * alpha))
    edge = np.abs(cv2.GaussianBlur(alpha, (0, 0), 5) - 0.5) < 0.45
    assert np.abs(cut[edge, 3] / 255 - alpha[edge]).mean() < 0.05


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("level", [0, 255])
def test_a_mask_without_an_edge_changes_nothing(way: str, level: int) -> None:
    photo = painted(disc(200))
    cut = refined(photo, np.full((200, 200), level, np.uint8), refine=way)
    assert np.array_equal(cut, np.dstack([photo, np.full((200, 200), level, np.uint8)]))


@pytest.mark.parametrize("way", ["none", *WAYS])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (50, 50), (513, 700)])
def test_any_size_and_any_mask_will_do(way: str, size: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    photo = np.full((*size, 3), 90, np.uint8)
    for mask in (random.integers(0, 256, size), np.full(size, 128)):
        cut = refined(photo, bytes_of(mask), refine=way)
        assert cut.shape == (*size, 4)
        assert cut[cut[..., 3] == 255, :3].min(initial=90) == 90


def test_the_same_photo_gives_the_same_bytes(fur: Truth) -> None:
    mask = seen(fur.alpha)
    assert np.array_equal(refined(fur.photo, mask), refined(fur.photo, mask))


def test_the_step_is_taken_only_where_there_is_something_to_do() -> None:
    wanted = refine.STEP.wanted
    assert wanted(Recipe())
    assert wanted(Recipe(refine="none"))
    assert wanted(Recipe(decontaminate=False))
    assert not wanted(Recipe(refine="none", decontaminate=False))
    assert not wanted(Recipe(remove_bg=False))


@pytest.mark.weights
def test_the_astronauts_hair_looks_as_it_did_when_somebody_looked(astronaut: Image.Image) -> None:
    cut = background.remove(Picture(astronaut, astronaut), Recipe(model="u2netp"))[0]
    image = refine.refine(cut, Recipe(model="u2netp"))[0].image
    on_red = Image.new("RGB", image.size, "red")
    on_red.paste(image, mask=image.getchannel("A"))
    found, golden = np.asarray(on_red.crop((140, 0, 330, 190))), np.asarray(Image.open(GOLDEN))
    assert structural_similarity(found, golden, channel_axis=2) > 0.97
