"""A network as a graph of ONNX: a product a layer, and neurons that a Scan goes through in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lava_desire.deploy.integer_network import as_integers, is_floating
from lava_desire.files import write_atomically
from lava_desire.model.integers.constants import whole_decay
from lava_desire.model.integers.limits import ALIGNMENT_BITS, DECAY_BITS, STATE_LIMIT

OPSET, IR_VERSION = 18, 9
SPIKES, CLASS = "spikes", "class"


def write_onnx(network: Any, path: Path) -> None:
    """Write the graph. Sums are float64, and rounded once, as the engine's, or integers."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    config, floating = network.config, is_floating(network)
    integers = None if floating else as_integers(network)
    weights = network.numpy_weights() if integers is None else integers.weights
    kind, state = ("float32", TensorProto.FLOAT) if floating else ("int64", TensorProto.INT64)
    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, value: Any, dtype: Any = kind) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(into: list[Any], kind_of_node: str, inputs: list[str], output: str, **more: Any) -> str:
        into.append(helper.make_node(kind_of_node, inputs, [output], **more))
        return output

    def neurons(layer: int, threshold: str, scale: str) -> Any:
        """Return the graph of a step: potential and sum in, potential and spikes out (Eq. 1)."""
        body: list[Any] = []
        sums, before = f"sums_{layer}", f"before_{layer}"
        if floating:
            decayed = add(body, "Mul", [before, "decay"], "decayed")
            held = add(body, "Add", [decayed, sums], "held")
            fired = add(body, "GreaterOrEqual", [held, threshold], "fired")
        else:  # magnitudes are divided: potentials decay toward 0
            shifted = add(body, "Mul", [sums, scale], "shifted")
            current = add(body, "Clip", [shifted, "lowest", "highest"], "current")
            aligned = add(body, "Mul", [current, "alignment"], "aligned")
            product = add(body, "Mul", [add(body, "Abs", [before], "size"), "decay"], "product")
            smaller = add(body, "Div", [product, "unit"], "smaller")
            sign = add(body, "Sign", [before], "sign")
            decayed = add(body, "Mul", [smaller, sign], "decayed")
            summed = add(body, "Add", [decayed, aligned], "summed")
            held = add(body, "Clip", [summed, "lowest", "highest"], "held")
            fired = add(body, "Greater", [held, threshold], "fired")
        if config.reset == "zero":
            after = add(body, "Where", [fired, "zero", held], "after")
        else:
            as_number = add(body, "Cast", [fired], "as_number", to=state)
            spent = add(body, "Mul", [as_number, threshold], "spent")
            after = add(body, "Sub", [held, spent], "after")
        spikes = add(body, "Cast", [fired], "spiked", to=TensorProto.DOUBLE)
        return helper.make_graph(
            body,
            f"neurons_{layer}",
            [
                helper.make_tensor_value_info(before, state, None),
                helper.make_tensor_value_info(sums, state, None),
            ],
            [
                helper.make_tensor_value_info(after, state, None),
                helper.make_tensor_value_info(spikes, TensorProto.DOUBLE, None),
            ],
        )

    if config.reset == "zero":
        constant("zero", 0)
    if floating:
        constant("decay", config.decay)
    else:
        for name, value in {
            "decay": whole_decay(config.decay),
            "unit": 1 << DECAY_BITS,
            "alignment": 1 << ALIGNMENT_BITS,
            "lowest": -STATE_LIMIT,
            "highest": STATE_LIMIT,
        }.items():
            constant(name, value)
    constant("delay", [1, 0, 0, -1, 0, 0], np.int64)
    trains = add(nodes, "Cast", [SPIKES], "trains_0", to=TensorProto.DOUBLE)
    for layer, array in enumerate(weights, start=1):
        if config.delay(layer):  # a step of silence first, and the last one goes
            trains = add(nodes, "Pad", [trains, "delay"], f"delayed_{layer}")
        stored = constant(f"weights_{layer}", array.T, np.float32 if floating else np.int8)
        exact = add(nodes, "Cast", [stored], f"exact_{layer}", to=TensorProto.DOUBLE)
        product = add(nodes, "MatMul", [trains, exact], f"product_{layer}")
        current = add(nodes, "Cast", [product], f"current_{layer}", to=state)
        shape = add(nodes, "Shape", [current], f"shape_{layer}", start=1)
        rest = helper.make_tensor("value", state, [1], [0])
        resting = add(nodes, "ConstantOfShape", [shape], f"resting_{layer}", value=rest)
        if integers is None:
            threshold, scale = constant(f"threshold_{layer}", config.threshold), ""
        else:
            held = integers.thresholds[layer - 1] << ALIGNMENT_BITS
            threshold = constant(f"threshold_{layer}", held)
            scale = constant(f"scale_{layer}", 1 << integers.weight_exponents[layer - 1])
        trains = f"trains_{layer}"
        nodes.append(
            helper.make_node(
                "Scan",
                [resting, current],
                [f"last_{layer}", trains],
                body=neurons(layer, threshold, scale),
                num_scan_inputs=1,
            )
        )
    for name, value in {"first_axis": [0], "last_axis": [-1], "undecided": -1, "one": 1}.items():
        constant(name, value, np.int64)
    add(nodes, "Cast", [trains], "output_spikes", to=TensorProto.FLOAT)
    counts = add(nodes, "ReduceSum", [trains, "first_axis"], "counts", keepdims=0)
    most = add(nodes, "ReduceMax", [counts, "last_axis"], "most", keepdims=1)
    leading = add(nodes, "Equal", [counts, most], "leading")
    leaders = add(nodes, "Cast", [leading], "leaders", to=TensorProto.INT64)
    number = add(nodes, "ReduceSum", [leaders, "last_axis"], "number", keepdims=0)
    first = add(nodes, "ArgMax", [counts], "first", axis=-1, keepdims=0)
    tied = add(nodes, "Greater", [number, "one"], "tied")
    add(nodes, "Where", [tied, "undecided", first], CLASS)

    def info(name: str, dtype: int, shape: list[Any]) -> Any:
        return helper.make_tensor_value_info(name, dtype, shape)

    graph = helper.make_graph(
        nodes,
        "desire",
        [info(SPIKES, TensorProto.FLOAT, ["T", "B", config.num_inputs])],
        [
            info("output_spikes", TensorProto.FLOAT, ["T", "B", config.num_classes]),
            info(CLASS, TensorProto.INT64, ["B"]),
        ],
        constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="lava_desire"
    )
    model.ir_version = IR_VERSION
    helper.set_model_props(model, {"config": config.to_json()})
    onnx.checker.check_model(model)
    write_atomically(path, model.SerializeToString())
