"""P3: what a photo costs beside decode, network and encode. Seconds of a processor, of one thread."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest import mock

from bench import made
from bench.figure import Asked, Figure, median
from processing.intake import limits
from processing.pipeline import background, run
from processing.recipe import Recipe

PLAIN = Recipe(model="u2netp", refine="none", decontaminate=False, variants=())
TURNS = 9


def measured(asked: Asked) -> list[Figure]:
    run.use_threads(1)
    network = background.session(PLAIN.model).inner_session
    works = [
        work
        for data in (made.photo(source, *made.SIZES[size]) for source, size in _photos(asked))
        for work in (lambda data=data: run.run(data, PLAIN, limits=limits.house()), _alone(data, network))
    ]
    turns = [list(map(_seconds, works)) for _ in range(3 if asked.quick else TURNS)]
    took = median(turns[1:])
    whole, floor = sum(took[::2]), sum(took[1::2])
    photos = len(works) // 2
    about = "beside decode, network and encode, per photo"
    return [Figure("P3", about, (whole - floor) / photos, "s", floor / photos, "these three alone", 0.1)]


def _photos(asked: Asked) -> Iterator[tuple[Any, str]]:
    """Pictures in the sizes that a house is sent."""
    sources = made.sources(asked.photos)
    return ((sources[number % len(sources)], size) for number, size in enumerate(made.MIXED))


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _alone(data: bytes, network: Any) -> Callable[[], object]:
    """Decode, network and encode as they are called for this photo, and nothing else."""
    parts = [(run, "decode"), (network, "run"), (run, "encode")]
    with ExitStack() as stack:
        calls = [stack.enter_context(_heard(*part)) for part in parts]
        run.run(data, PLAIN, limits=limits.house())
    works = [partial(getattr(of, name), *heard[-1]) for (of, name), heard in zip(parts, calls, strict=True)]
    return lambda: [work() for work in works]


@contextmanager
def _heard(of: Any, name: str) -> Iterator[list[tuple[Any, ...]]]:
    """The arguments that it is called with meanwhile."""
    plain, calls = getattr(of, name), list[tuple[Any, ...]]()

    def hearing(*args: Any) -> Any:
        calls.append(args)
        return plain(*args)

    with mock.patch.object(of, name, hearing):
        yield calls
