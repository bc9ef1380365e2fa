"""Which models are on this machine, which of them may run, and how long they take here."""

import logging
from dataclasses import dataclass
from statistics import median

import redis
from django.contrib.auth.models import User
from django.core.cache import cache

from processing import accelerator, catalogue, crew, queue
from processing.catalogue import Weights
from processing.errors import PhotoError
from processing.models import AllowedModel, Status, Upload
from processing.recipe import Recipe

log = logging.getLogger(__name__)

NEWEST = 500  # photos, whose seconds count
KEPT = 30  # seconds, as nearly every page asks for it


@dataclass(frozen=True)
class Installed:
    """A model as people see it. `seconds` is the median per photo; `allowed` says who turned it on, where that is
    needed and was done; `runs_on` is on what, and on which machines of workers, as those say."""

    weights: Weights
    is_installed: bool
    is_default: bool
    seconds: float | None
    allowed: AllowedModel | None
    runs_on: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def may_run(self) -> bool:
        return self.weights.commercial or self.allowed is not None

    @property
    def command(self) -> str:
        return f".venv/bin/python manage.py fetch_weights {self.weights.name}"


def models() -> list[Installed]:
    """All that the catalogue knows, in its order; the one that finds faces comes last."""
    took = cache.get_or_set("seconds-of-models", seconds, KEPT) or {}
    best, engines = catalogue.best_installed(), runs_on()
    allowed = {row.name: row for row in AllowedModel.objects.select_related("allowed_by")}
    return [
        Installed(weights, weights.installed, name == best, took.get(name), allowed.get(name), engines.get(name, ()))
        for name, weights in catalogue.ALL.items()
    ]


def seconds() -> dict[str, float]:
    """The median seconds of a model's step, by model, over the newest completed photos; without those not used."""
    rows = Upload.objects.filter(status=Status.COMPLETED).order_by("-finished_at")
    found: dict[str, list[float]] = {}
    for model, background, face in rows.values_list(
        "facts__model", "facts__timings__background", "facts__timings__face"
    )[:NEWEST]:
        for name, took in ((model, background), (catalogue.FACES.name, face)):
            if name and took is not None:
                found.setdefault(name, []).append(took)
    return {name: median(times) for name, times in found.items()}


def runs_on() -> dict[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    """By model, each engine with the machines that run it on that; nothing while Redis is away."""
    found: dict[str, dict[str, list[str]]] = {}
    try:
        for machine in crew.machines(queue.PHOTOS):
            for model, engine in machine.engines.items():
                found.setdefault(model, {}).setdefault(accelerator.label(engine), []).append(machine.host)
    except redis.RedisError as error:
        log.debug("it is not known what models run on: %s", error)
    return {model: tuple((name, tuple(hosts)) for name, hosts in ones.items()) for model, ones in found.items()}


def check(recipe: Recipe) -> None:
    """Refuse at the door what cannot or may not run here.

    Raises PhotoError `model_not_installed`, `model_not_allowed`.
    """
    recipe.check_installed()
    if recipe.remove_bg and not is_allowed(recipe.model):
        raise PhotoError("model_not_allowed", model=recipe.model)


def is_allowed(name: str) -> bool:
    return catalogue.MODELS[name].commercial or AllowedModel.objects.filter(name=name).exists()


def allow(name: str, operator: User) -> None:
    """Turn on a model whose licence forbids commercial use; it stays the act of whoever did so first."""
    AllowedModel.objects.get_or_create(name=name, defaults={"allowed_by": operator})


def forbid(name: str) -> None:
    """Turn it off again; photos that wait already still get their result."""
    AllowedModel.objects.filter(name=name).delete()
