"""What a photo costs in a worker: seconds per step on one core, by model and size. Prints JSON."""

import json
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import django

from bench import made

django.setup()

from processing import catalogue, storage  # noqa: E402
from processing.intake import limits  # noqa: E402
from processing.pipeline import background, run  # noqa: E402
from processing.recipe import Recipe  # noqa: E402

USUAL = "u2netp"


class Timed:
    """A network that says how long it took."""

    def __init__(self, network: Any) -> None:
        self.network, self.seconds = network, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def run(self, *args: Any) -> Any:
        began = time.perf_counter()
        outputs = self.network.run(*args)
        self.seconds = time.perf_counter() - began
        return outputs


def measured(model: str, size: str, folder: Path | None) -> dict[str, float]:
    """The medians of one photo of each picture, in seconds, MB, bytes; the first run, which loads, does not count."""
    heard = background.session(model).inner_session
    heard.network = timed = Timed(heard.network)
    found = defaultdict(list)
    photos = [made.photo(path, *made.SIZES[size]) for path in made.sources(folder)]
    for data in photos[:1] + photos:
        for name, value in one(data, Recipe(model=model), timed).items():
            found[name].append(value)
    heard.network = timed.network
    return {name: round(statistics.median(values[1:]), 4) for name, values in found.items()}


def one(data: bytes, recipe: Recipe, network: Timed) -> dict[str, float]:
    key = storage.new_key(1, 1, "originals", "jpeg")
    began, used = time.perf_counter(), time.process_time()
    storage.write(key, [data])
    kept = time.perf_counter()
    outcome = run.run(storage.read(key), recipe, limits=limits.house())
    ended = time.perf_counter()
    for file in outcome.files:
        storage.write(storage.new_key(1, 1, "results", file.format), [file.data])
    stored = time.perf_counter()
    return {
        **outcome.facts["timings"],
        "network": network.seconds,
        "store": stored - ended,
        "keep": kept - began,
        "seconds": stored - kept,
        "cpu": time.process_time() - used,
        "memory_mb": outcome.facts["memory_mb"],
        "sent_bytes": len(data),
        "made_bytes": sum(len(file.data) for file in outcome.files),
        "objects": 1 + len(outcome.files),
    }


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    run.use_threads(1)
    others = [name for name, weights in catalogue.MODELS.items() if weights.installed and name != USUAL]
    found = {USUAL: {size: measured(USUAL, size, folder) for size in made.SIZES}}
    found |= {name: {"1.5": measured(name, "1.5", folder)} for name in others}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
