"""Counters and histograms for Prometheus, kept in one Redis hash so that all processes and machines share them.

Losing them is a reset, as Prometheus knows it. What a label may say is bounded: codes, outcomes, steps, models.
"""

import json
import logging
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import redis
from django.db import transaction

from processing import queue

log = logging.getLogger(__name__)

KEY = "photoproc:metrics"
SUM = "sum"


@dataclass(frozen=True)
class Metric:
    """A counter, or a histogram where it has buckets: their upper ends in seconds."""

    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The buckets by name, as Prometheus calls them."""
        return (*map(str, self.buckets), "+Inf")


METRICS = {
    "uploads": Metric("Photos that ended: completed, failed or cancelled.", ("outcome", "code")),
    "attempts": Metric("Attempts at photos that ended, by what came of them.", ("outcome",)),
    "webhook_deliveries": Metric("Tries to deliver a webhook, by what came of them.", ("result",)),
    "step_seconds": Metric(
        "Seconds of a step of the pipeline.", ("step", "model"),
        (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
    ),
    "queue_wait_seconds": Metric(
        "Seconds that a photo waited until a worker first took it.", (),
        (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0),
    ),
}  # fmt: skip

Amount = tuple[str, float]  # a field of the hash, and what is added to it
Label = tuple[str, ...]  # the values of a metric's labels, in their order


def count(name: str, amount: float = 1, **labels: str) -> None:
    """After the commit, add to a counter. Works while Redis is down, only uncounted."""
    keep([counted(name, amount, **labels)])


def counted(name: str, amount: float = 1, **labels: str) -> Amount:
    """For `keep`. Raises KeyError where the metric is unknown or one of its labels is missing."""
    return _field(name, "", labels), amount


def observed(name: str, value: float, **labels: str) -> list[Amount]:
    """For `keep`. Raises KeyError where the metric is unknown or one of its labels is missing."""
    metric = METRICS[name]
    part = metric.parts[bisect_left(metric.buckets, value)]
    return [(_field(name, part, labels), 1), (_field(name, SUM, labels), value)]


def keep(amounts: Iterable[Amount]) -> None:
    """After the commit, add all of these to what is counted, in one round trip."""
    transaction.on_commit(partial(_send, tuple(amounts)))


def _field(name: str, part: str, labels: dict[str, str]) -> str:
    return json.dumps([name, part, *(labels[label] for label in METRICS[name].labels)])


def _send(amounts: tuple[Amount, ...]) -> None:
    try:
        with queue.quick().pipeline(transaction=False) as pipe:
            for field, amount in amounts:
                pipe.hincrbyfloat(KEY, field, amount)
            pipe.execute()
    except redis.RedisError as error:
        log.warning("not counted: %s", error)


def read() -> dict[str, dict[Label, dict[str, float]]]:
    """What was counted so far: by metric, by its labels, by part (a bucket, the sum; a counter has the part "").

    What another version counted and this one does not know is left out. Raises redis.RedisError.
    """
    found: dict[str, dict[Label, dict[str, float]]] = {name: {} for name in METRICS}
    for field, amount in queue.quick().hgetall(KEY).items():
        name, part, *values = json.loads(field)
        if name in METRICS and len(values) == len(METRICS[name].labels):
            found[name].setdefault(tuple(values), {})[part] = float(amount)
    return found
