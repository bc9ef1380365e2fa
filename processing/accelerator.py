"""What the models run on: a GPU or OpenVINO where this machine's onnxruntime offers it, else the processor alone.

`onnxruntime-gpu` or `onnxruntime-openvino`, installed in place of `onnxruntime`, offers them.
"""

import os
from functools import cache
from typing import Any

CUDA, OPENVINO, PROCESSOR = "CUDAExecutionProvider", "OpenVINOExecutionProvider", "CPUExecutionProvider"
NAMES = {CUDA: "the GPU (CUDA)", OPENVINO: "the processor by OpenVINO", PROCESSOR: "the processor"}


@cache
def best() -> str:
    """The first of the NAMES that is offered."""
    from onnxruntime import get_available_providers  # half a second

    offered = get_available_providers()
    return next(name for name in NAMES if name in offered)


def providers() -> list[Any]:
    """As onnxruntime wants them, the best first; OpenVINO would take all cores."""
    if best() == PROCESSOR:
        return [PROCESSOR]
    threads = os.environ.get("OMP_NUM_THREADS")
    options = {"num_of_threads": threads} if threads and best() == OPENVINO else {}
    return [(best(), options), PROCESSOR]
