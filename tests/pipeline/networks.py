"""Stand-ins for networks whose weights are not on this machine: tiny, and to them a subject is what is bright."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from processing.catalogue import Weights

STEEP = 20.0  # how fast they become sure around middle grey; what they take in was normalised about zero
U2NET_OUTPUTS = 7


def install(weights: Weights, steep: float = STEEP, bias: float = 0.0) -> Path:
    """Write a stand-in where the weights would be: the same shapes in and out, and logits from BiRefNet alone.

    Before the sigmoid a pixel has `steep` times its mean level, plus `bias`.
    """
    weights.path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(_network(weights, steep, bias), weights.path)
    return weights.path


def _network(weights: Weights, steep: float, bias: float) -> onnx.ModelProto:
    width, height = weights.input_size
    logits = weights.name.startswith("birefnet")
    names = [f"d{number}" for number in range(U2NET_OUTPUTS if (width, height) == (320, 320) else 1)]
    nodes = [
        helper.make_node("Conv", ["photo", "steep", "bias"], ["level"]),
        *(helper.make_node("Identity" if logits else "Sigmoid", ["level"], [name]) for name in names),
    ]
    graph = helper.make_graph(
        nodes, "stand-in",
        [helper.make_tensor_value_info("photo", TensorProto.FLOAT, [1, 3, height, width])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, height, width]) for name in names],
        [
            helper.make_tensor("steep", TensorProto.FLOAT, [1, 3, 1, 1], [steep / 3] * 3),
            helper.make_tensor("bias", TensorProto.FLOAT, [1], [bias]),
        ],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
