"""What is wrong with the house, and how to mend it: one small check after the other, each told in a sentence."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import redis
from django.conf import settings
from django.core import checks as django_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.utils import timezone
from django.utils.text import capfirst

from photoproc import secret_key
from processing import accelerator, breaker, catalogue, crew, pauses, queue, reach, schema, show
from processing.errors import PhotoError
from processing.models import Preset, Status, Upload, lease
from processing.overview import photos

OK, WARNING, WRONG = "ok", "warning", "wrong"
LONG = timedelta(minutes=15)  # that a photo may wait before it is told
START = "Start it: script/server."


@dataclass(frozen=True)
class Finding:
    """What one check has to say; `remedy` is empty where all is well."""

    what: str
    state: str
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """It is looked at where those that it `needs` find nothing wrong."""

    what: str
    look: Callable[[bool], Iterator[Finding]]
    needs: tuple[str, ...] = ()


def examine(*, deep: bool = False) -> Iterator[Finding]:
    """All of it; `deep` also reads what takes minutes in a large house. Never raises for what does not answer."""
    wrong: set[str] = set()
    for check in _checks():
        if missing := wrong.intersection(check.needs):
            yield Finding(check.what, WARNING, f"Not looked at: {' and '.join(sorted(missing))} first.")
            continue
        for finding in _looked(check, deep):
            if finding.state == WRONG:
                wrong.add(check.what)
            yield finding


def _looked(check: Check, deep: bool) -> Iterator[Finding]:
    try:
        yield from check.look(deep)
    except reach.Away as away:
        yield Finding(check.what, WRONG, away.message, away.remedy)
    except (redis.RedisError, DatabaseError, ImproperlyConfigured, PhotoError, OSError, ValueError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        yield Finding(check.what, WRONG, f"It cannot be looked at: {said[:200]}.", "Mend what the sentence says.")


# ---- what the house stands on ---------------------------------------------------------------------------------------


def _redis(deep: bool) -> Iterator[Finding]:
    yield Finding("redis", OK, f"{reach.redis()} answers.")


def _memory(deep: bool) -> Iterator[Finding]:
    """What Redis does when it is full, and when it ends."""
    told = queue.quick().info()
    if (policy := told.get("maxmemory_policy", "noeviction")) != "noeviction":
        yield Finding("memory", WRONG, f"Redis throws away what it was told when it is full ({policy}).",
                      "Set its maxmemory-policy to noeviction.")  # fmt: skip
    if not told.get("aof_enabled"):
        yield Finding("memory", WARNING, "Redis forgets all when it ends; photos are found again, a little later.",
                      "Set its appendonly to yes.")  # fmt: skip


def _database(deep: bool) -> Iterator[Finding]:
    yield Finding("database", OK, f"{reach.database()} answers.")


def _schema(deep: bool) -> Iterator[Finding]:
    last, may_go_on = schema.beyond()
    if last:
        state = WARNING if may_go_on else WRONG
        yield Finding("schema", state, f"A newer version was here: it has {last}.", "Start the newer version.")
    elif lacks := schema.lacking():
        said = f"The database lacks {show.counted(len(lacks), 'migration')}, {lacks[-1]} among them."
        yield Finding("schema", WRONG, said, "Start script/server, or run script/setup.")


def _journal(deep: bool) -> Iterator[Finding]:
    """SQLite's own."""
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        mode = cursor.execute("PRAGMA journal_mode").fetchone()[0]
        said = cursor.execute("PRAGMA quick_check(1)").fetchone()[0] if deep else "ok"
    if mode != "wal":
        yield Finding("journal", WRONG, f"SQLite's journal is {mode}: readers and writers wait for each other.",
                      "Keep the data folder on a local disk.")  # fmt: skip
    if said != "ok":
        yield Finding("journal", WRONG, f"The database is damaged: {said}.", "Restore the last backup.")
    elif deep:
        yield Finding("journal", OK, "The database is whole.")


def _storage(deep: bool) -> Iterator[Finding]:
    yield Finding("storage", OK, f"{reach.kept()} can be kept.")


def _place(deep: bool) -> Iterator[Finding]:
    """Says nothing where the files of the house lie there. Raises Away."""
    reach.place()
    yield from ()


def _disk(deep: bool) -> Iterator[Finding]:
    places = [place for place in (settings.DATA_DIR, settings.FILES_DIR, settings.TMP_DIR) if place.is_dir()]
    for place in {place.stat().st_dev: place for place in reversed(places)}.values():  # one of each disk
        free, floor = shutil.disk_usage(place).free, settings.FREE_SPACE_FLOOR
        if free < floor:
            yield Finding("disk", WRONG, f"{show.size(free)} free in {place}: less than {show.size(floor)}.",
                          "Make room: manage.py sweep, or delete old jobs.")  # fmt: skip
        elif free < 2 * floor:
            yield Finding("disk", WARNING, f"{show.size(free)} free in {place}.", "Make room soon: manage.py sweep.")
        else:
            yield Finding("disk", OK, f"{show.size(free)} free in {place}.")


def _clock(deep: bool) -> Iterator[Finding]:
    for agrees, said in reach.clocks():
        yield Finding("clock", OK if agrees else WRONG, said, "" if agrees else "Let both ask a time server (NTP).")


# ---- what it works with ---------------------------------------------------------------------------------------------


def _weights(deep: bool) -> Iterator[Finding]:
    here = [weights for weights in catalogue.ALL.values() if weights.installed]
    damaged = [weights.name for weights in here if not weights.fits(weights.path)]
    for name in damaged:
        yield Finding("weights", WRONG, f"The file of {name} is damaged.", _fetch(name))
    if not any(weights.name in catalogue.MODELS for weights in here):
        yield Finding("weights", WRONG, "No model is installed that removes backgrounds.", _fetch(catalogue.FALLBACK))
    elif not damaged:
        yield Finding("weights", OK, f"{show.counted(len(here), 'model')} in {catalogue.home()}.")


def _fetch(name: str) -> str:
    return f"Fetch it: manage.py fetch_weights {name}."


def _cores(deep: bool) -> Iterator[Finding]:
    wheel = accelerator.wheel() or "An onnxruntime that is not known here"
    yield Finding("cores", OK, f"{show.counted(settings.CORES, 'core')}; {wheel}.")


def _engines(deep: bool) -> Iterator[Finding]:
    """What models run on, as each machine that works on photos says."""
    for machine in crew.machines(queue.PHOTOS):
        for model, engine in machine.engines.items():
            yield Finding("engines", OK, f"{model} runs on {accelerator.label(engine)} at {machine.host}.")


def _models(deep: bool) -> Iterator[Finding]:
    """Models that somebody chose and that are not here."""
    waiting = Upload.objects.filter(status__in=[Status.NEW, Status.QUEUED])
    recipes = [*waiting.values_list("job__recipe__model", flat=True).distinct().order_by()]
    recipes += [*Preset.objects.values_list("recipe__model", flat=True).distinct().order_by()]
    for name in sorted({name for name in recipes if name in catalogue.ALL and not catalogue.ALL[name].installed}):
        yield Finding("models", WARNING, f"Somebody chose {name}, and it is not installed.", _fetch(name))


def _settings(deep: bool) -> Iterator[Finding]:
    if connection.vendor == "postgresql" and _has_another_key():
        yield Finding("settings", WARNING, "A secret key lies here that is not the one in use.",
                      "Remove it; or set SECRET_KEY to it on all machines, so that what it signed works.")  # fmt: skip
    found = django_checks.run_checks(include_deployment_checks=True)
    plain = {one.id: one for one in found if one.id not in OF_HTTPS}
    if not settings.HTTPS:
        yield Finding("settings", WARNING, f"{settings.URL} is not https: passwords cross the network in the clear.",
                      "Fine on this machine alone; else put TLS before it and set PHOTO_URL.")  # fmt: skip
    for one in plain.values():
        state = WRONG if one.level >= django_checks.ERROR else WARNING
        yield Finding("settings", state, f"{one.msg.splitlines()[0]} ({one.id})", one.hint or "See docs/settings.md.")
    if not plain:
        yield Finding("settings", OK, "Django's own checks for a deployment find nothing else.")


def _has_another_key() -> bool:
    """Left from a house that kept its key in a file, or made by one that was tried here."""
    return secret_key.read(settings.DATA_DIR / secret_key.NAME) not in (None, settings.SECRET_KEY)


# What follows from an address without https, and is said in one sentence.
OF_HTTPS = {f"security.W{number:03}" for number in (4, 5, 8, 12, 16, 21)}

# ---- whether it works -----------------------------------------------------------------------------------------------


def _workers(deep: bool) -> Iterator[Finding]:
    for name in (queue.PHOTOS, queue.IO):
        yield from _crew(name)
    if lease.is_held(lease.DISPATCHING):
        yield Finding("workers", OK, "The dispatcher is at work.")
    else:
        yield Finding("workers", WRONG, "No dispatcher is at work, so that no photo is begun.", START)


def _crew(name: str) -> Iterator[Finding]:
    machines = crew.machines(name)
    alive, hosts = len(crew.at_work(name)), sum(not machine.silent_since for machine in machines)
    wanted = crew.kept(machines) or crew.wanted(name)
    said = f"{alive} of {show.counted(wanted, 'worker')} of {name} at work{f', on {hosts} machines' * (hosts > 1)}."
    if not alive:
        yield Finding("workers", WRONG, said, START)
    elif alive < wanted:
        yield Finding("workers", WARNING, said, "Look into the log, and wait: what ends is started again.")
    else:
        yield Finding("workers", OK, said)
    for machine in machines:
        if machine.silent_since:
            told = f"The workers of {name} on {machine.host} are silent since {show.moment(machine.silent_since)}."
            yield Finding("workers", WARNING, told, "Look whether the machine runs and reaches Redis.")
        elif machine.trouble:
            yield Finding("workers", WARNING, f"{machine.host} begins no photo: {machine.trouble}.", "Make room there.")


def _queue(deep: bool) -> Iterator[Finding]:
    findings = [*_held(), *_late()]
    yield from findings
    if not findings:
        yield Finding("queue", OK, f"{show.counted(photos.by_state()[Status.QUEUED], 'photo')} queued, none for long.")


def _held() -> Iterator[Finding]:
    """What nobody works on, as somebody or something holds it."""
    for one in pauses.all_ones():
        how, since = "draining" if one.pause.drains else "paused", show.moment(one.pause.since)
        yield Finding("queue", WARNING, f"{capfirst(one.name)}: {how} since {since}.", "Resume it on the page Queue.")
    for row in breaker.open_ones().values():
        yield Finding("queue", WARNING, f"{breaker.label(row.name)} is left alone ({row.state}): {row.reason}",
                      "Mend it; then reset it on the page Queue, or wait until it is tried.")  # fmt: skip


def _late() -> Iterator[Finding]:
    now = timezone.now()
    if (oldest := photos.oldest()) and now - oldest > LONG:
        yield Finding("queue", WARNING, f"A photo waits since {show.moment(oldest)}.", "More workers, or patience.")
    over = Upload.objects.filter(lease_until__lt=now - timedelta(seconds=3 * settings.LEASE)).count()
    if over:
        yield Finding("queue", WRONG, f"{show.counted(over, 'photo')} held by workers that are gone.", START)


ROWS = ("database", "schema")


def _checks() -> Iterator[Check]:
    yield Check("redis", _redis)
    yield Check("memory", _memory, ("redis",))
    yield Check("database", _database)
    yield Check("schema", _schema, ("database",))
    yield Check("journal", _journal, ("database",))
    yield Check("storage", _storage, () if settings.STORAGE else ROWS)  # a row tells whether a folder is the house's
    yield Check("place", _place, (*ROWS, "storage"))
    yield Check("disk", _disk)
    yield Check("weights", _weights)
    yield Check("cores", _cores)
    yield Check("engines", _engines, ("redis",))
    yield Check("models", _models, ROWS)
    yield Check("clock", _clock, ("redis", "database"))
    yield Check("settings", _settings, ROWS)
    yield Check("workers", _workers, ("redis", *ROWS))
    yield Check("queue", _queue, ROWS)
