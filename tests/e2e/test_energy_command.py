"""``lava-desire energy`` as a user meets it."""

from __future__ import annotations

import json

import pytest

from lava_desire import DesireConfig, DesireNetwork


@pytest.fixture
def net(run):
    DesireNetwork(DesireConfig((64, 20, 10)), arithmetic="fixed_point").save("net.safetensors")
    return "net.safetensors"


def test_a_network_is_counted_into_a_table_and_json_beside_what_was_simulated(run, net):
    parts = {"synapse": 1e-6, "soma": 2e-6, "network": 3e-6, "total": 6e-6}
    assert run("energy", net, "--dataset", "digits", "--json", "out.json", "--samples", "5")[0] == 0
    with open("out.json") as file:
        counted = json.load(file)
    report = {"energy_J": parts, "time_s": 5e-4, "steps": 21, "samples": 5, "simulated_by": "x"}
    report |= {"network": "64-20-10", "reset": "subtract", "input_spikes": counted["input_spikes"]}
    report["spikes"] = [layer["events"]["spikes"] for layer in counted["layers"]]
    with open("report.json", "w") as file:
        json.dump(report, file)
    options = ("--json", "out.json", "--simulated", "report.json", "--samples", "5")
    status, out, err = run("energy", net, "--dataset", "digits", *options)
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 100
    rows = [line.split() for line in out.splitlines()]
    counted = "layer spikes synaptic operations neuron updates idle updates messages"
    learned = "layer desires updates with desire of which spiked weights changed dense updates"
    for title in (counted, "layer synapses neurons between cores all", f"{learned} errors back"):
        assert title.split() in rows
    legend = {row.split(":")[0].strip() for row in out.splitlines() if row.startswith("  ")}
    assert {"idle updates", "of which spiked", "dense updates", "errors back"} < legend
    assert ["simulated", "1,000.0", "2,000.0", "3,000.0", "6,000.0"] in rows
    with open("out.json") as file:
        found = json.load(file)
    assert (found["samples"], found["training_samples"], found["steps"]) == (5, 5, 21)
    assert {"makers", "sanafe", "times"} == found["figures"].keys()

    for name, other in {
        "network": "64-30-10",
        "reset": "zero",
        "samples": 9,
        "input_spikes": 1.0,
        "spikes": [1.0, 2.0],
        "energy_J": parts | {"soma": float("nan")},
        "time_s": True,
    }.items():
        with open("report.json", "w") as file:
            json.dump(report | {name: other}, file)
        status, _, err = run("energy", net, "--dataset", "digits", *options)
        assert status == 2
        shown = {"energy_J": "energy_J soma nan"}
        assert f"simulated has {shown.get(name, f'{name} {other}')}: expected" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--samples 0", "--samples is 0"),
        ("--chip loihi2", "--chip is 'loihi2': expected loihi1"),
        ("--simulated net.safetensors", "--simulated net.safetensors is no"),
        ("--simulated none.json", "No such file: none.json; expected the report.json"),
    ],
)
def test_what_it_cannot_do_is_refused(run, net, options, said):
    status, _, err = run("energy", net, "--dataset", "digits", *options.split())
    assert status == 2
    assert said in err
