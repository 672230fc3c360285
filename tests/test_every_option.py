"""Every field of a configuration is used at every door, refused there by name, or said to be idle.

A new field fails here until it has a value that matters, and its place at each door.
"""

from __future__ import annotations

import dataclasses
import inspect
import multiprocessing

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.cli.commands import train as train_command
from lava_desire.config import OPTIONS
from lava_desire.model.fields import declared
from lava_desire.model.option import (
    Augmentation,
    Bound,
    DecisionPolicy,
    EligibilityPolicy,
    FeedbackPolicy,
    Filter,
    OutputPolicy,
    RatePolicy,
    Term,
)
from lava_desire.model.options.image_brightness import ImageBrightness
from lava_desire.model.options.image_shift import ImageShift
from lava_desire.model.options.rate_floor import RateFloor
from lava_desire.model.options.trace_baseline import TraceBaseline
from lava_desire.model.options.weight_average import WeightAverage
from lava_desire.model.parts import Layers
from lava_desire.training.choose import training_class

# Those of convolutions do nothing in a dense network: they are tried in one of planes.
OF_LAYERS = {field.name for field in dataclasses.fields(Layers)}
FIELDS = [field.name for field in dataclasses.fields(DesireConfig) if field.name not in OF_LAYERS]

DEFAULTS = {field.name: field.default for field in dataclasses.fields(DesireConfig)}
EXAMPLES = {
    field.name: declared(field).example
    for field in dataclasses.fields(DesireConfig)
    if declared(field).example is not None
}


def fields_of(*kinds):
    """Return the names of the fields of options of some kinds."""
    return {
        field.name
        for option in OPTIONS
        if issubclass(option, kinds)
        for field in dataclasses.fields(option)
    }


# What is on, so that others matter, and each beside others.
ON = fields_of(ImageShift, ImageBrightness, WeightAverage, TraceBaseline, RateFloor)
ON |= {"weight_limit", "baseline_samples"}
BASE = DesireConfig(
    (9, 12, 8, 3),
    num_steps=8,
    decay=0.75,
    threshold=0.4,
    error_margin=1,
    desire_threshold_hidden=0.1,
    desire_threshold_output=0.3,
    dropout_input=0.1,
    dropout_hidden=0.1,
    learning_rate=0.005,
    learning_rate_decay=0.5,
    batch_size=4,
    epochs=2,
    seed=5,
    learning_rate_scale=(1.0, 0.5, 1.0),
    **{name: EXAMPLES[name] for name in ON},
)
OTHERS = {
    "layer_sizes": (9, 11, 8, 3),
    "num_steps": 9,
    "decay": 0.5,
    "threshold": 1.0,
    "error_margin": 3,
    "desire_threshold_hidden": 0.3,
    "desire_threshold_output": 0.7,
    "dropout_input": 0.4,
    "dropout_hidden": 0.5,
    "learning_rate": 0.02,
    "learning_rate_decay": 2.0,
    "batch_size": 3,
    "epochs": 3,
    "seed": 9,
    "learning_rate_scale": (1.0, 2.0, 1.0),
    "weight_limit": 0.3,
}
DRAW = np.random.default_rng(2)
PLANES = {
    "layers": ("3c2", "4c2", "3"),
    "input_shape": (1, 3, 4),
    "desire_threshold_conv": 0.01,
    "dropout_conv": 0.1,
    "learning_rate_scale": BASE.learning_rate_scale,
}
OTHER_PLANES = {
    "layers": ("3c2", "5c2", "3"),
    "input_shape": (1, 4, 3),
    "desire_threshold_conv": 0.5,
    "dropout_conv": 0.5,
}
TRAIN = DRAW.integers(0, 256, (12, 9)).astype(np.uint8), DRAW.integers(0, 3, 12)
TEST = DRAW.integers(0, 256, (40, 9)).astype(np.uint8), DRAW.integers(0, 3, 40)


def sized(samples, config):
    """Return images with as many pixels as the network takes, and labels."""
    images, labels = samples
    return np.take(images, range(config.num_pixels), axis=1, mode="wrap"), labels


def outcome(run):
    """Return all that training leaves: weights, their average, and how well it classifies."""
    run.carry_out()
    networks = [run.network] if run.average is None else [run.network, run.average.network]
    weights = [array for network in networks for array in network.numpy_weights()]
    last = run.history.last
    return [*weights, np.array([last.test_accuracy, last.undecided_share, last.test_loss])]


def trained(config, **options):
    network = DesireNetwork(config, **options)
    return outcome(
        training_class(network)(network, sized(TRAIN, config), sized(TEST, config), None)
    )


def trained_with_spikes(config):
    """Train with spike trains in planes: what images are, in each of them."""
    draw = np.random.default_rng(4)
    learned, tested = (
        draw.random((config.num_steps, count, config.num_inputs)) < 0.2 for count in (12, 40)
    )
    network = DesireNetwork(config)
    train, test = (learned, TRAIN[1]), (tested, TEST[1])
    return outcome(training_class(network)(network, train, test, None))


def trained_by_ranks(config, group):
    return group(config)


def trained_by_lava(config, **options):
    few = (
        tuple(part[:8] for part in sized(TRAIN, config)),
        tuple(part[:24] for part in sized(TEST, config)),
    )
    network = DesireNetwork(config, **options)
    return outcome(training_class(network, "lava")(network, *few, None))


def trained_by_one_process(config):
    """Train :class:`DesireSequential` with the tag ``torch``, two samples a window."""
    from lava.magma.core.run_conditions import RunSteps

    from lava_desire.proc import DesireSequential, DesireSimCfg, SampleSource

    images, labels = sized(TRAIN, config)
    source = SampleSource(
        config=config,
        images=images,
        labels=labels,
        held_out=sized(TEST, config),
        shuffle=True,
        batch_size=2,
    )
    network = DesireSequential(config=config, batch_size=2)
    source.brightness_out.connect(network.brightness_in)
    source.label_out.connect(network.label_in)
    try:
        network.run(RunSteps(6 * config.window_steps), DesireSimCfg("torch"))
        weights = [var.get() for var in network.weights]
        source.evaluating.set(np.array([True]))
        network.training.set(np.array([False]))
        network.run(RunSteps(10 * config.window_steps), DesireSimCfg("torch"))
        return [*weights, network.confusion.get()]
    finally:
        network.stop()


def network_of(config):
    """Return a network whose weights depend on the shape only."""
    draw = np.random.default_rng(2)
    shapes = [synapse.weight_shape for synapse in config.synapses]
    weights = [draw.normal(0, 0.2, shape).astype(np.float32) for shape in shapes]
    return DesireNetwork(config, weights=weights)


def evaluated(config):
    from lava_desire import evaluate

    network = network_of(config)
    test = sized(TEST, config)
    metrics = evaluate(network, test)
    return [network.predict(test[0]).numpy(), np.array(metrics.loss)]


def quantized(config):
    from lava_desire.deploy import quantize

    test = sized(TEST, config)
    network = quantize(network_of(config), sized(TRAIN, config), test=test).network
    counts = network.forward(test[0]).counts[-1].numpy()
    return [*network.numpy_weights(), counts, network.predict(test[0]).numpy()]


def as_processes(config):
    """Return what the processes are made of, and what is made of their input and output."""
    from lava_desire.deploy import to_lava
    from lava_desire.deploy.integer_network import encode_images, predict_class

    exported = to_lava(network_of(config))
    names = ("vth", "dv", "du")  # of LIFReset; DesireLIF takes all from the configuration
    made = [
        [getattr(layer, name).init for name in names if hasattr(layer, name)]
        + [layer.proc_params._parameters.get("reset_interval")]
        for layer in exported.neurons
    ]
    spikes = np.random.default_rng(3).integers(0, 2, (8, 60, 3))
    return [
        *(
            (each.weights if hasattr(each, "weights") else each.weight).init
            for each in exported.connections
        ),
        np.array(f"{exported.description} {made}"),
        encode_images(sized(TEST, config)[0], exported.config),
        predict_class(exported.config, spikes),
    ]


def as_script(config, folder):
    """Return what the script for stock Lava knows, and what its own rule makes of spikes."""
    from lava_desire.deploy.lava_script import write_lava_script

    script, weights = write_lava_script(network_of(config), folder / "net.py")
    names = {"__name__": "net", "__file__": str(script)}
    exec(compile(script.read_text(), script, "exec"), names)
    encoded = names["encode"](sized(TEST, config)[0])
    spikes = np.random.default_rng(3).integers(0, 2, (60, 8, 3))
    with np.load(weights) as file:
        arrays = [file[name] for name in file.files if name.startswith("weights")]
    settings = {key: value for key, value in names["SETTINGS"].items() if key != "tie_break"}
    return [*arrays, np.array(repr(settings)), encoded, names["predict"](spikes)]


def as_nir(config):
    from lava_desire.deploy import to_nir

    graph = to_nir(network_of(config))
    said = {name: graph.metadata[name] for name in ("dt", "num_steps", "reset")}
    arrays = [array for node in graph.nodes.values() for array in _arrays_of(node)]
    return [np.array(repr(said)), *arrays]


def _arrays_of(node):
    fields = vars(node).values()
    return [np.asarray(value) for value in fields if isinstance(value, np.ndarray)]


def as_netx(config, folder):
    import h5py

    from lava_desire.deploy import to_netx

    written = to_netx(network_of(config), folder / "net.net")
    steps, shapes = written.config.window_steps, []
    with h5py.File(folder / "net.net") as file:
        file.visititems(lambda name, it: shapes.append(it[()]) if name.endswith("/shape") else None)
    numbers = np.array([*written.thresholds, written.voltage_decay, steps])
    return [*written.weights, numbers, *shapes]


def as_loihi_rule(config):
    from lava_desire.deploy import loihi_learning_rule

    found = loihi_learning_rule(config)
    rule = found.rule
    numbers = (found.window_steps, found.third_factor, found.impulse, found.learning_rate)
    return [np.array(repr((numbers, rule.x1_impulse, rule.x1_tau, str(rule.dw_str))))]


def is_of(option, *, spikes):
    """Say whether an option is of spike trains alone, or of images alone."""
    if issubclass(option, Augmentation):
        return not (option.of_images if spikes else option.of_spikes)
    return issubclass(option, Filter) and not spikes


MOVES = fields_of(Augmentation)
RATES = {"baseline_samples", "rates_over"}
SCHEDULE = {"batch_size", "epochs", "learning_rate_decay", "weight_average"} | MOVES
SCHEDULE |= fields_of(RatePolicy)
LEARNING = (
    SCHEDULE
    | RATES
    | fields_of(Term, Bound, OutputPolicy, FeedbackPolicy, EligibilityPolicy)
    | {"desire_threshold_hidden", "desire_threshold_output", "dropout_input", "dropout_hidden"}
    | {"learning_rate", "learning_rate_scale", "seed"}
)
OF_SPIKES = {option.switch().name for option in OPTIONS if is_of(option, spikes=True)}
OF_IMAGES = {option.switch().name for option in OPTIONS if is_of(option, spikes=False)}
NOT_IN_INTEGERS = {option.switch().name for option in OPTIONS if not option.integers}
FLOATING = BASE
INTEGERS = BASE.replace(**{name: DEFAULTS[name] for name in NOT_IN_INTEGERS})
NOT_MOVED = {option.switch().name: 0 for option in OPTIONS if issubclass(option, Augmentation)}
ONLINE = {"batch_size": 1, "weight_average": 0, **NOT_MOVED}
# Few processes, which Lava builds anew for every value.
SMALL = {**ONLINE, "layer_sizes": (9, 8, 3), "learning_rate_scale": (1.0, 0.5), "seed": 11}
SMALL_OTHERS = {"layer_sizes": (9, 7, 3), "learning_rate_scale": (1.0, 2.0)}
# Weights are given there, which a limit would cut.
BOUNDS = fields_of(Bound)
TRAINED = BASE.replace(**{name: DEFAULTS[name] for name in BOUNDS})
GIVEN = LEARNING - BOUNDS | {"error_margin"}
# What a chip's script or graph leaves to whoever sends images and reads counts.
OUTSIDE = fields_of(Filter, DecisionPolicy)
NOT_ON_LOIHI = fields_of(Term, Bound, FeedbackPolicy, EligibilityPolicy)
NOT_ON_LOIHI |= {"learning_rate_scale", "synapse_decay"}


@dataclasses.dataclass(frozen=True)
class Door:
    """A way to use a configuration: `idle` fields have no effect, `refused` ones are an error."""

    base: DesireConfig
    use: object
    idle: frozenset = frozenset()
    refused: frozenset = frozenset()
    needs: str | None = None
    others: dict = dataclasses.field(default_factory=dict)


def door(base, use, idle=(), refused=(), needs=None, **others):
    return Door(base, use, frozenset(idle), frozenset(refused), needs, others)


LAVA = "lava.magma"
DOORS = {
    "compiled kernels": door(FLOATING, lambda c: trained(c, kernels="compiled"), refused=OF_SPIKES),
    "torch operations": door(FLOATING, lambda c: trained(c, kernels="torch"), refused=OF_SPIKES),
    "bfloat16x2": door(FLOATING, lambda c: trained(c, precision="bfloat16x2"), refused=OF_SPIKES),
    "spike trains": door(
        FLOATING.replace(image_brightness=0.0, input_shape=(1, 3, 3)),
        trained_with_spikes,
        refused=OF_IMAGES,
        layer_sizes=(9, 11, 8, 3),
    ),
    "integers": door(
        INTEGERS,
        lambda c: trained(c, arithmetic="fixed_point"),
        refused=NOT_IN_INTEGERS | OF_SPIKES,
    ),
    "two ranks": door(FLOATING, trained_by_ranks, refused=OF_SPIKES),
    "--backend lava, floating_pt": door(
        FLOATING.replace(**SMALL),
        trained_by_lava,
        idle={"image_shift_share", "image_shift_start"},
        refused=ONLINE,
        needs=LAVA,
        **SMALL_OTHERS,
    ),
    "--backend lava, fixed_pt": door(
        INTEGERS.replace(**{**SMALL, "seed": 19}),  # of which a tie is decided
        lambda c: trained_by_lava(c, arithmetic="fixed_point"),
        idle={"image_shift_share", "image_shift_start"},
        refused=NOT_IN_INTEGERS | set(ONLINE),
        needs=LAVA,
        **SMALL_OTHERS,
    ),
    "DesireSequential, torch": door(FLOATING, trained_by_one_process, idle=SCHEDULE, needs=LAVA),
    "evaluate": door(TRAINED, evaluated, idle=LEARNING - BOUNDS),
    "export, fixed": door(TRAINED, quantized, idle=GIVEN - OF_SPIKES, refused=OF_SPIKES),
    "to_lava": door(
        TRAINED.replace(reset="zero"), as_processes, idle=GIVEN, needs=LAVA, reset="subtract"
    ),
    "export, lava": door(
        TRAINED.replace(reset="zero"),
        as_script,
        idle=GIVEN,
        refused={"reset"} | OUTSIDE - {"image_brightness", "off_channel", "tie_break"},
        reset="subtract",
    ),
    "export, nir": door(
        TRAINED,
        as_nir,
        idle=GIVEN | OUTSIDE - {"off_channel"},
        needs="nir",
    ),
    "export, netx": door(
        TRAINED.replace(reset="zero"),
        as_netx,
        idle=GIVEN | OUTSIDE - {"off_channel"},
        refused={"reset", "synapse_decay"},
        needs="h5py",
        reset="subtract",
    ),
    "loihi_learning_rule": door(
        FLOATING.replace(**{name: DEFAULTS[name] for name in NOT_ON_LOIHI}),
        as_loihi_rule,
        idle=set(FIELDS) - {"layer_sizes", "num_steps", "decay", "learning_rate"} - NOT_ON_LOIHI,
        refused=NOT_ON_LOIHI,
        needs=LAVA,
        layer_sizes=(9, *(8,) * 9, 3),
        num_steps=20,
        learning_rate_scale=(1.0, 2.0, 1.0),
    ),
}


def other(field, door):
    """Return another value of a field than the door's base has."""
    known = {**OTHERS, **door.others}
    if field in known:
        return known[field]
    has_default = getattr(door.base, field) == DEFAULTS[field]
    return EXAMPLES[field] if has_default else DEFAULTS[field]


def rank(number, place, told, asked):
    """Be one of two ranks, which train what they are asked to."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{place}", rank=number, world_size=2
    )
    while (config := asked.recv()) is not None:
        try:
            told.send(trained(config))
        except ValueError as error:
            told.send(error)
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory):
    """Return what lets two ranks train with a configuration."""
    place = tmp_path_factory.mktemp("ranks") / "store"
    context = multiprocessing.get_context("fork")
    children, pipes = [], []
    for number in (0, 1):
        (answer, told), (asked, ask) = context.Pipe(duplex=False), context.Pipe(duplex=False)
        child = context.Process(target=rank, args=(number, place, told, asked), daemon=True)
        child.start()
        children.append(child)
        pipes.append((answer, ask))

    def train(config):
        for _, ask in pipes:
            ask.send(config)
        for answer, _ in pipes:
            assert answer.poll(300), "a rank hangs"
        first, second = (answer.recv() for answer, _ in pipes)
        if isinstance(first, ValueError):
            assert str(first) == str(second)
            raise first
        assert same(first[:-1], second[:-1])
        return first

    yield train
    for _, ask in pipes:
        ask.send(None)
    for child in children:
        child.join(20)
        child.kill()


def same(ones, others):
    return len(ones) == len(others) and all(
        np.array_equal(one, other) for one, other in zip(ones, others, strict=True)
    )


@pytest.fixture
def through(request, tmp_path):
    """Return how a configuration is used at a door."""

    def use(door):
        if door.needs is not None:
            pytest.importorskip(door.needs, reason=f"{door.needs} is not installed")
        if door.needs == LAVA:
            import lava_desire.proc  # noqa: F401
        more = {"group": "two_ranks", "folder": "tmp_path"}
        wanted = inspect.signature(door.use).parameters
        given = {key: request.getfixturevalue(more[key]) for key in wanted if key in more}
        return lambda config: door.use(config, **given)

    return use


def tried(use, base, others):
    """Return what came of another value of each field: used, idle, refused, or else an error."""
    before = use(base)
    assert same(before, use(base))
    found = {}
    for field, value in others.items():
        config = base.replace(**{field: value})
        try:
            found[field] = "idle" if same(before, use(config)) else "used"
        except ValueError as error:
            found[field] = "refused" if field in str(error) else str(error)
    return found


@pytest.mark.filterwarnings("ignore::lava_desire.data.checks.DataWarning")
@pytest.mark.parametrize("name", DOORS)
def test_every_option_is_used_or_refused_or_said_to_be_idle(name, through):
    door = DOORS[name]
    found = tried(through(door), door.base, {field: other(field, door) for field in FIELDS})
    expected = {
        field: "refused" if field in door.refused else "idle" if field in door.idle else "used"
        for field in FIELDS
    }
    wrong = {field: found[field] for field in FIELDS if found[field] != expected[field]}
    assert not wrong, wrong


@pytest.mark.filterwarnings("ignore::lava_desire.data.checks.DataWarning")
@pytest.mark.parametrize("name", DOORS)
def test_fields_of_convolutions_are_used_or_said_to_be_idle(name, through):
    door = DOORS[name]
    use = through(door)
    if name == "loihi_learning_rule":
        with pytest.raises(ValueError, match="layer 1 are conv2d: Loihi's learning engine knows"):
            use(door.base.replace(**PLANES | {"learning_rate_scale": ()}))
        return
    learns = "dropout_hidden" not in door.idle
    expected = dict.fromkeys(OTHER_PLANES, "used")
    if not learns:
        expected |= {"desire_threshold_conv": "idle", "dropout_conv": "idle"}
    assert tried(use, door.base.replace(**PLANES), OTHER_PLANES) == expected


def test_every_field_has_a_second_value_and_an_option():
    assert set(OTHERS) | set(EXAMPLES) == set(FIELDS)
    assert set(OTHER_PLANES) == OF_LAYERS
    for field in FIELDS:
        changed = BASE.replace(**{field: other(field, DOORS["two ranks"])})
        assert getattr(BASE, field) != getattr(changed, field)
    options = set(inspect.signature(train_command).parameters)
    assert {"layers" if field == "layer_sizes" else field for field in FIELDS} <= options
