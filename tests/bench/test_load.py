"""The parts of script/load that need no house."""

import asyncio
import http
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from bench import heard, performance, storm
from bench.heard import Answer
from tests.house import free_port

BEGAN = 1000.0
PAGE, UPLOAD = f"{heard.PAGE}a job", "upload"
MEMORY = [(BEGAN + second, 100.0) for second in range(0, 100, 2)]


def told(*answers: Answer, memory: heard.Memory = MEMORY) -> dict[str, Any]:
    return heard.told([Answer(PAGE, 40, 200, BEGAN), *answers], memory, BEGAN, back=5)


def missed(found: dict[str, Any]) -> list[str]:
    return [name for name, one in found["figures"].items() if not one["met"]]


def test_each_kind_of_answer_is_told_apart_from_the_others() -> None:
    pages = [Answer(PAGE, ms, 200, BEGAN) for ms in range(1, 101)]
    found = heard.told([*pages, Answer(UPLOAD, 900, 303, BEGAN)], MEMORY, BEGAN, back=5)
    assert found["kinds"][PAGE] == {"answers": 100, "p50": 50, "p95": 95, "p99": 99, "5xx": 0, "other": 0}
    assert found["kinds"][UPLOAD]["answers"] == 1
    assert missed(found) == []


def test_slow_pages_miss_the_goal_and_slow_uploads_do_not() -> None:
    assert missed(told(*[Answer(UPLOAD, 900, 303, BEGAN)] * 50)) == []
    assert missed(told(*[Answer(PAGE, 501, 200, BEGAN)] * 50)) == ["L1"]


def test_times_count_from_when_all_were_there_and_troubles_always() -> None:
    early = told(
        *[Answer(PAGE, 900, 200, BEGAN - 1)] * 50, Answer(PAGE, 1, 502, BEGAN - 1), Answer(UPLOAD, 0, 0, BEGAN)
    )
    assert missed(early) == ["L2"]
    assert [early["kinds"][PAGE][what] for what in ("p99", "5xx", "other")] == [40, 1, 0]
    assert early["kinds"][UPLOAD]["other"] == 1


def test_memory_that_grows_is_not_flat() -> None:
    grows = [(at, mb + (at - BEGAN) / 10) for at, mb in MEMORY]
    assert missed(told(memory=grows)) == ["L3"]
    warming = [(at, mb - 50 * (at < BEGAN + 15)) for at, mb in MEMORY]
    assert missed(told(memory=warming)) == []


def test_the_part_of_the_page_has_each_kind_and_figure() -> None:
    here = {"people": 200, "seconds": 300, "pages": 500, "machine": "a machine", "load": 0.1}
    text = heard.section(here | told())
    assert "200 people at once for 300 s, then 500 live pages" in text
    assert f"| {PAGE} | 1 |" in text
    assert "| L2 | answers that are no 5xx | 1 | 1 (all of them) | 1.00 | ≥ 1 | yes |" in text
    assert "100 MB at 0 s" in text


def test_the_page_has_a_place_for_it() -> None:
    assert "<!-- load -->" in performance.PAGE.read_text()


# ---- the storm ------------------------------------------------------------------------------------------------------


async def job(socket: ServerConnection) -> None:
    await socket.send("how it stands")
    await socket.wait_closed()


@pytest.mark.parametrize("refusals", [0, 2])
async def test_pages_that_lose_their_server_come_again_and_what_they_were_answered_is_known(refusals: int) -> None:
    left = [http.HTTPStatus.SERVICE_UNAVAILABLE] * refusals

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(left.pop(), "") if down.is_set() and left else None

    def kill() -> None:
        down.set()
        for connection in server.connections:
            connection.transport.abort()

    down, port = asyncio.Event(), free_port()
    server: Server
    async with serve(job, "127.0.0.1", port, process_request=answer) as server:
        found = await storm.storm(f"http://127.0.0.1:{port}", [("/jobs/1/", "a cookie")] * 3, kill)
    statuses = sorted(one.status for one in found.answers if one.kind == storm.SOCKET)
    assert statuses == [101] * 3 + [503] * refusals
    assert found.back > 0
