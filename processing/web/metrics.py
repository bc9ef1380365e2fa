"""`/metrics` for Prometheus: what was counted, and how things stand now. docs/monitoring.md shows how it is asked."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from processing import breaker, crew, metrics, queue, rates, tokens, watch
from processing.access import is_operator
from processing.errors import PhotoError
from processing.models import Scope, Token
from processing.overview import house, photos
from processing.web.rq import metrics as from_rq

Counted = dict[metrics.Label, dict[str, float]]


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    try:
        check(request)
    except PhotoError as error:
        return _refused(error, request)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(House()), content_type)


def check(request: HttpRequest) -> None:
    """Raises PhotoError `not_authenticated`, `scope_missing`, `not_permitted`."""
    secret = tokens.secret_in(request.headers)
    person = tokens.find(secret) if secret else request.user
    if isinstance(person, Token) and Scope.QUEUE not in person.scopes:
        raise PhotoError("scope_missing", scope=Scope.QUEUE)
    if isinstance(person, AnonymousUser):
        raise PhotoError("not_authenticated", reason="There is no token")
    if not is_operator(person):
        raise PhotoError("not_permitted", reason="This is for operators")


def _refused(error: PhotoError, request: HttpRequest) -> HttpResponse:
    """In a sentence; who guesses tokens is told to wait."""
    is_allowed, headers = rates.allowed(None, request.META.get("REMOTE_ADDR", ""))
    if not is_allowed:
        error = PhotoError("rate_limited", seconds=headers["Retry-After"])
    elif error.code == "not_authenticated":
        headers |= {"WWW-Authenticate": "Bearer"}
    return HttpResponse(f"{error.detail}\n", "text/plain", error.status, headers=headers)


class House(Collector):
    """All of it; where Redis is away, what the database and this process know."""

    def collect(self) -> Iterator[Metric]:
        yield from here()
        yield from from_database()
        is_up = GaugeMetricFamily("photoproc_redis_up", "1 while Redis answers.")
        try:
            yield from [*from_redis(), *from_rq()]
            is_up.add_metric([], 1)
        except redis.RedisError:
            is_up.add_metric([], 0)
        yield is_up


def gauge(name: str, help: str, values: Iterable[tuple[str, float]], label: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"photoproc_{name}", help, labels=[label])
    for of, value in values:
        family.add_metric([of], value)
    return family


def here() -> Iterator[Metric]:
    yield gauge("build_info", "Which version this is.", [(settings.VERSION, 1)], "version")
    yield GaugeMetricFamily("photoproc_sockets", "Sockets that are open to the web process.", len(watch.OPEN))
    if space := house.space():  # else the disk does not answer: of that the breaker tells
        yield GaugeMetricFamily("photoproc_storage_free_bytes", "Free space where photos are taken in.", space.free)
    floor = settings.FREE_SPACE_FLOOR
    yield GaugeMetricFamily("photoproc_storage_floor_bytes", "With less free space, photos are refused.", floor)


# ---- how things stand ------------------------------------------------------------------------------------------------


def from_database() -> Iterator[Metric]:
    yield gauge("uploads_by_state", "Photos by state.", photos.by_state().items(), "state")
    oldest = photos.waited() or 0.0
    yield GaugeMetricFamily("photoproc_queue_oldest_seconds", "How long one waits at most for a worker.", oldest)
    alone = [(name, 1) for name in islice(breaker.open_ones(), 100)]  # a CSV of dead addresses opens one for each host
    yield gauge("breaker_open", "1 for each breaker that is not closed.", alone, "name")
    yield GaugeMetricFamily(
        "photoproc_webhook_deliveries_waiting", "Webhooks that are still to be heard.", house.webhooks().waiting
    )
    wanted = [(name, crew.wanted(name)) for name in (queue.PHOTOS, queue.IO)]
    yield gauge("workers_wanted", "How many workers are to be at work on each machine.", wanted, "queue")


# ---- what was counted, and who is at work ----------------------------------------------------------------------------


def from_redis() -> Iterator[Metric]:
    """Raises redis.RedisError."""
    for name, counted in metrics.read().items():
        metric = metrics.METRICS[name]
        family: Callable[[str, metrics.Metric, Counted], Metric] = histogram if metric.buckets else counter
        yield family(name, metric, counted)
    signs = [sign for name in (queue.PHOTOS, queue.SOON, queue.IO) for sign in crew.at_work(name)]
    memory = GaugeMetricFamily(
        "photoproc_worker_memory_bytes", "Resident memory of each worker.", labels=["worker", "queue", "host"]
    )
    for sign in signs:
        memory.add_metric([sign.name, sign.queue, sign.host], sign.memory)
    yield memory
    here = [(name, sum(not one.silent_since for one in crew.machines(name))) for name in (queue.PHOTOS, queue.IO)]
    yield gauge("machines", "How many machines have workers.", here, "queue")


def counter(name: str, metric: metrics.Metric, counted: Counted) -> Metric:
    family = CounterMetricFamily(f"photoproc_{name}", metric.help, labels=metric.labels)
    for labels, parts in sorted(counted.items()):
        family.add_metric(labels, parts[""])
    return family


def histogram(name: str, metric: metrics.Metric, counted: Counted) -> Metric:
    family = HistogramMetricFamily(f"photoproc_{name}", metric.help, labels=metric.labels)
    for labels, parts in sorted(counted.items()):
        seen, buckets = 0.0, []
        for part in metric.parts:
            seen += parts.get(part, 0)
            buckets.append((part, seen))
        family.add_metric(labels, buckets, parts[metrics.SUM])
    return family
