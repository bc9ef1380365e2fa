"""Figures: what is met, what is kept, what the page and its picture say."""

import dataclasses
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from PIL import Image

from bench import answered, chart, failed, figure, goals, made, page, performance, products, profile
from bench.figure import Asked, Figure
from bench.read import QUIET
from bench.taken import Taken

FAST = Figure("P1", "photos of a folder", 6.1, "photos/s", 1, "rembg p", 6, more_is_better=True)
SLOW = Figure("P8", "export of <many> rows", 2.01, "s", 2)
NOTHING = Figure("P8-memory", "more than for few", 0, "MB", 10)


def rows(*figures: Figure, load: float = 0.1) -> dict[str, dict[str, Any]]:
    return {
        name: row | {"machine": "A processor", "cores": 2, "load": load} for name, row in figure.saved(figures).items()
    }


@pytest.mark.parametrize(
    ("value", "more_is_better", "is_met"),
    [(2, False, True), (2.01, False, False), (2, True, True), (1.99, True, False)],
)
def test_a_goal_is_met_up_to_its_value(value: float, more_is_better: bool, is_met: bool) -> None:
    assert Figure("P8", "export", value, "s", 2, more_is_better=more_is_better).is_met is is_met


def test_the_ratio_is_to_the_peer_and_the_goal_is_for_the_ratio() -> None:
    slower = Figure("P1", "photos of a folder", 11, "photos/s", 2, "rembg p", 6, more_is_better=True)
    assert (slower.ratio, slower.is_met) == (5.5, False)


def test_nothing_used_of_a_limit_is_more_than_enough() -> None:
    assert NOTHING.is_met


def test_figures_are_read_as_they_were_saved() -> None:
    assert figure.read(json.dumps(rows(FAST, SLOW, NOTHING))) == [FAST, SLOW, NOTHING]


def test_each_goal_is_kept_with_value_peer_ratio_goal_and_met() -> None:
    wanted = {"value": 6.1, "peer": 1, "ratio": 6.1, "goal": 6, "met": True}
    assert rows(FAST)["P1"].items() >= wanted.items()


def test_every_goal_has_a_room() -> None:
    assert {goal for of_room in goals.ROOMS.values() for goal in of_room} == set(performance.GOALS)


def test_what_was_not_measured_now_stays_and_what_was_loses_its_old_rows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(performance, "LATEST", tmp_path / "latest.json")
    monkeypatch.setattr(performance, "write", lambda rows: None)
    goals.keep(rows(FAST, SLOW, NOTHING))
    goals.keep(rows(Figure("P8", "export", 1, "s", 2)))
    kept = json.loads(performance.LATEST.read_text())
    assert [(name, row["value"]) for name, row in kept.items()] == [("P1", 6.1), ("P8", 1)]


def test_a_room_that_fails_is_told_and_the_others_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(room: str, words: list[str]) -> dict[str, Any]:
        if room == "floor":
            raise RuntimeError(room)
        return rows(Figure("P11", "overhead", 3, "ms", 10))

    monkeypatch.setattr(goals, "told", told)
    found, broken = goals.measured({"P3", "P11"}, [])
    assert (list(found), broken) == (["P11"], ["floor"])


def test_a_goal_that_is_missed_is_said_plainly() -> None:
    said = performance.missed(rows(FAST, SLOW)).splitlines()
    assert said[0].startswith("- **P8 is not met**: export of <many> rows: 2.01 s beside 2 s (the limit)")
    assert "- **P2 was not measured.**" in said
    every = [dataclasses.replace(FAST, name=name) for name in performance.GOALS]
    assert performance.missed(rows(*every)) == "Every goal is met.\n"


@pytest.mark.parametrize(("load", "is_said"), [(2 * QUIET, False), (2 * QUIET + 0.1, True)])
def test_the_page_says_when_others_were_at_work(load: float, is_said: bool) -> None:
    assert ("Others were at work" in performance.machine(rows(FAST, load=load))) is is_said


def test_page_and_picture_are_those_of_the_figures() -> None:
    kept = json.loads(performance.LATEST.read_text())
    text = performance.PAGE.read_text()
    assert text == performance.filled(text, kept), "run .venv/bin/python -m bench.performance"
    assert performance.PICTURE.read_text() == chart.svg(figure.read(json.dumps(kept)))
    assert [found[1] for found in page.BLOCK.findall(text)] == list(performance.BLOCKS)


def test_the_picture_has_a_bar_for_each_figure_on_the_side_of_its_goal_that_it_is_on() -> None:
    found = ET.fromstring(chart.svg([FAST, SLOW, NOTHING]))
    bars = [one.attrib for one in found.iter("{http://www.w3.org/2000/svg}rect") if one.get("class") != "ground"]
    assert [bar["class"] for bar in bars] == ["met", "missed", "met"]
    assert all(chart.LEFT <= float(bar["x"]) <= chart.RIGHT for bar in bars)
    assert "export of <many> rows" in "".join(found.itertext())


def test_a_marked_photo_is_another_file_of_the_same_picture() -> None:
    data = made.photo(made.sources(None)[0], 60, 50)
    one, other = made.marked(data, 1), made.marked(data, 2)
    assert len({data, one, other}) == 3
    assert Image.open(io.BytesIO(one)).tobytes() == Image.open(io.BytesIO(data)).tobytes()


def test_a_sample_belongs_to_the_stage_of_its_innermost_frame_that_has_one() -> None:
    way = "work (processing/worker.py:1);run (processing/pipeline/run.py:2)"
    lines = [
        f"{way};encode (processing/pipeline/encode.py:3);save (PIL/Image.py:4) 3",
        f"{way};remove (processing/pipeline/background.py:5);run (onnxruntime/capi/session.py:6) 6",
        "look (threading.py:7) 1",
    ]
    assert profile.by_stage(lines) == {"network": 0.6, "encode": 0.3, profile.REST: 0.1}


def once(*works: Callable[[], object], turns: int = 1) -> list[Taken]:
    for work in works:
        work()
    return [Taken(1.0, 5.0) for _ in works]


def test_failed_photos_are_seen_and_retried(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed, "take", once)
    monkeypatch.setattr(failed, "FEW", 10)
    monkeypatch.setattr(failed, "MANY", 20)
    monkeypatch.setattr(failed, "LATE", 2)
    monkeypatch.setattr(answered, "TURNS", 1)
    found = {one.name: one for one in failed.measured(Asked())}
    assert found["P7-spared"].is_met
    assert found["P6-queue-queries"].value > 0


def test_products_go_in_and_out(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "take", once)
    monkeypatch.setattr(products, "FEW", 2)
    monkeypatch.setattr(products, "MANY", 3)
    assert [one.value for one in products.measured(Asked())] == [1, 1, 1, 0, 0]
    assert User.objects.get().jobs.count() == 4
