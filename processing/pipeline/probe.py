"""Tries a model on engines, one after the other, with a real picture; says of each what it took, a line of JSON each.

`python -m processing.pipeline.probe MODEL ENGINE…`, the plain one first. `accelerator` asks.
"""

import json
import resource
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from processing import accelerator, catalogue
from processing.accelerator import PHOTO, Engine
from processing.pipeline import background

ENOUGH, MOST = 0.5, 5  # seconds, and runs, that an engine is measured, after the first one, which is slow


def main(model: str, *engines: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))  # a worker that asks has a wall, which CUDA does not fit in
    plain = None
    for engine in map(accelerator.ENGINES.__getitem__, engines):
        try:
            seconds, said = tried(model, engine)
        except Exception as error:  # its libraries may be missing: the others are tried all the same
            sys.stderr.write(f"{engine.name}: {error!r}\n")
            continue
        plain = said if plain is None else plain
        line = {"engine": engine.name, "seconds": seconds, "differs": differs(said, plain)}
        sys.stdout.write(f"\n{json.dumps(line)}\n")  # a library may have begun a line
        sys.stdout.flush()  # the next one may end this process


def tried(model: str, engine: Engine) -> tuple[float, NDArray[np.float32]]:
    """The least seconds of a run, and what the network says of each pixel.

    Raises RuntimeError where it would run on something else, and whatever the engine raises.
    """
    session = background.made(model, engine)
    if engine.provider not in session.inner_session.get_providers():
        raise RuntimeError(f"onnxruntime does without {engine.provider}")
    image = Image.open(PHOTO).convert("RGB").resize(catalogue.MODELS[model].input_size)
    session.inner_session = background.Heard(session.inner_session)
    _seconds(engine, session, image)
    took = [_seconds(engine, session, image)]
    while len(took) < MOST and sum(took) < ENOUGH:
        took.append(_seconds(engine, session, image))
    return min(took), background.chance(session)


def _seconds(engine: Engine, session: Any, image: Image.Image) -> float:
    """Of this process alone, as others may be busy; a GPU's are those of the clock."""
    clock = time.perf_counter if engine == accelerator.CUDA else time.process_time
    began = clock()
    session.predict(image)
    return clock() - began


def differs(said: NDArray[np.float32], plain: NDArray[np.float32]) -> float:
    """By how much of 1 a pixel does, on average."""
    return float(np.abs(said - plain).mean())


if __name__ == "__main__":
    main(*sys.argv[1:])
