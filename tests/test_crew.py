"""What workers say of themselves, for as long as they live."""

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from processing import crew, doctor, measured, queue
from processing.overview import house

pytestmark = pytest.mark.usefixtures("empty_redis")


SIGN = crew.Sign("w1", queue.PHOTOS, "shop", 4711, timezone.now(), photos=3, memory=400_000_000, upload_id=8)


def test_what_a_worker_says_is_read_as_it_was_said() -> None:
    crew.say(SIGN)
    assert crew.at_work(queue.PHOTOS) == [SIGN]
    assert crew.at_work(queue.IO) == []


def test_workers_stand_in_their_order() -> None:
    for number in (10, 2, 1):
        crew.say(replace(SIGN, name=crew.name(queue.PHOTOS, number), pid=number))
    assert [sign.name for sign in crew.at_work(queue.PHOTOS)] == ["w1", "w2", "w10"]


def test_who_says_nothing_for_long_is_not_at_work() -> None:
    crew.say(SIGN)
    (key,) = queue.connection().smembers("photoproc:signs:photos")
    assert 0 < queue.connection().ttl(key) <= crew.ALIVE
    queue.connection().delete(key)  # as it expires
    assert crew.at_work(queue.PHOTOS) == []


def test_whether_any_was_at_work_is_known_for_a_while_after_the_last_has_gone() -> None:
    assert not crew.lately(queue.PHOTOS)
    crew.say(replace(SIGN, host=socket.gethostname()))
    crew.gone(queue.PHOTOS, SIGN.pid)
    assert crew.at_work(queue.PHOTOS) == []
    assert crew.lately(queue.PHOTOS)
    assert not crew.lately(queue.IO)
    assert 0 < queue.connection().ttl("photoproc:lately:photos") <= crew.ALIVE


def test_the_last_losses_are_kept_newest_first() -> None:
    for number in range(crew.MOST_LOSSES + 5):
        crew.lost(crew.Loss(f"w{number}", timezone.now(), "It was killed"))
    names = [loss.name for loss in crew.losses()]
    assert names == [f"w{number}" for number in range(crew.MOST_LOSSES + 4, 4, -1)]


def test_nobody_is_held_up_by_a_redis_that_is_away(settings: Any) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    crew.say(SIGN)
    crew.gone(queue.PHOTOS, SIGN.pid)
    crew.lost(crew.Loss("w1", timezone.now(), "It was killed"))


# ---- several machines -----------------------------------------------------------------------------------------------


def tell(host: str, size: int = 2, *, ago: int = 0, trouble: str = "") -> None:
    """A machine that keeps so many workers, and said so some seconds ago."""
    said = {"host": host, "size": size, "trouble": trouble, "at": queue.quick().time()[0] - ago}
    queue.quick().hset("photoproc:machines:photos", f"{host}:/data", json.dumps(said))


def test_as_many_workers_are_wanted_as_the_machines_keep(db: None, settings: Any) -> None:
    settings.WORKERS = 2
    assert crew.wanted_in_all(queue.PHOTOS) == 2, "nobody has said anything yet"
    tell("one", 8)
    tell("two", 1)
    tell("silent", 4, ago=crew.ALIVE + 5)
    assert crew.wanted_in_all(queue.PHOTOS) == 9
    settings.REDIS_URL = "redis://127.0.0.1:1"
    assert crew.wanted_in_all(queue.PHOTOS) == 2


def test_as_many_workers_are_usual_as_were_best_when_it_was_tried(settings: Any, data: Path) -> None:
    settings.WORKERS, settings.CORES = 0, 4
    assert crew.usual(queue.PHOTOS) == 4, "nobody has tried it"
    measured.once(crew.TRIAL, crew.trial_of(), lambda: {"workers": 5})
    assert crew.usual(queue.PHOTOS) == 5
    settings.CORES = 8  # the machine has grown
    assert crew.usual(queue.PHOTOS) == 8
    settings.WORKERS = 2
    assert crew.usual(queue.PHOTOS) == 2


def test_a_machine_says_what_its_models_run_on_and_one_of_an_older_release_does_not() -> None:
    tell("older")
    crew.tell(queue.PHOTOS, 1, "", {"u2netp": "openvino"})
    engines = {machine.host: machine.engines for machine in crew.machines(queue.PHOTOS)}
    assert engines == {"older": {}, crew.HOST: {"u2netp": "openvino"}}
    assert "engines" not in json.loads(queue.quick().hvals("photoproc:machines:photos")[-1]), "older ones read it too"
    crew.leave(queue.PHOTOS)
    assert not queue.quick().exists("photoproc:engines:photos")


def test_the_doctor_says_what_models_run_on(db: None) -> None:
    crew.tell(queue.PHOTOS, 1, "", {"u2netp": "openvino", "u2net": "of-a-newer-release"})
    said = [one.text for one in doctor.examine() if one.what == "engines"]
    assert said == [f"u2netp runs on the processor by OpenVINO at {crew.HOST}.",
                    f"u2net runs on of-a-newer-release at {crew.HOST}."]  # fmt: skip


def test_a_machine_that_goes_silent_is_missed_for_an_hour_and_one_that_stops_is_not() -> None:
    tell("lost", ago=crew.ALIVE + 5)
    tell("long-gone", ago=crew.REMEMBERED + 5)
    crew.tell(queue.PHOTOS, 3, "1 MB free")
    here, lost = sorted(crew.machines(queue.PHOTOS), key=lambda machine: machine.host == "lost")
    assert (here.host, here.size, here.trouble, here.silent_since) == (crew.HOST, 3, "1 MB free", None)
    assert lost.host == "lost"
    assert lost.silent_since
    crew.leave(queue.PHOTOS)
    assert [machine.host for machine in crew.machines(queue.PHOTOS)] == ["lost"]


def test_workers_of_two_containers_with_the_same_name_and_number_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    crew.say(SIGN)
    monkeypatch.setattr(crew, "PROCESS", f"{crew.HOST}:another")
    crew.say(SIGN)
    assert len(crew.at_work(queue.PHOTOS)) == 2
    crew.gone(queue.PHOTOS, SIGN.pid)
    assert len(crew.at_work(queue.PHOTOS)) == 1


def test_machines_are_told_on_the_page_and_by_the_doctor(db: None, settings: Any) -> None:
    settings.WORKERS = 1
    tell("shop-1", 1)
    tell("shop-2", 1, trouble="1 MB free in /data/tmp, less than 500 MB")
    tell("shop-3", ago=crew.ALIVE + 5)
    for host in ("shop-1", "shop-2"):
        crew.say(replace(SIGN, host=host, pid=int(host[-1]), upload_id=None))
    said = {one.text for one in doctor.examine() if one.what == "workers"}
    assert "2 of 2 workers of photos at work, on 2 machines." in said
    assert "shop-2 begins no photo: 1 MB free in /data/tmp, less than 500 MB." in said
    assert any(text.startswith("The workers of photos on shop-3 are silent since ") for text in said)
    page = render_to_string("queue/_workers.html", {"overview": {"workers": house.workers(None)}, "memory_limit": 1})
    for text in ("2 at work on 2 machines", ">shop-1</span>", "<b>shop-2 begins no photo.</b>", "<b>shop-3 is silent"):
        assert text in page
