"""Of two values under one name none is taken, in any JSON that is read."""

from __future__ import annotations

import json
import struct

import pytest

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.checkpoint import CheckpointError, read_checkpoint
from lava_desire.strict_json import parse_json


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '[{"b": {"a": 1, "a": 2}}]'])
def test_a_name_that_stands_twice_is_refused(text):
    with pytest.raises(ValueError, match="'a' stands twice in one object"):
        parse_json(text)


def test_other_json_is_read_as_ever():
    text = '{"a": [1, 2.5, null, {"b": "c"}], "b": {"a": true}}'
    assert parse_json(text) == parse_json(text.encode()) == json.loads(text)


def test_a_configuration_has_each_field_once():
    text = DesireConfig((4, 2)).to_json().replace('"seed": 0', '"seed": 0, "seed": 1')
    with pytest.raises(ValueError, match="config is not JSON: 'seed' stands twice"):
        DesireConfig.from_json(text)


def test_a_checkpoint_has_each_field_and_tensor_once(tmp_path):
    path = tmp_path / "net.safetensors"
    DesireNetwork(DesireConfig((4, 2))).save(path)
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = content[8 : 8 + length].decode()
    seen = json.dumps(json.loads(header)["weights.1"])
    for twice in (
        header.replace('"samples_seen":"0"', '"samples_seen":"0","samples_seen":"1"'),
        header.rstrip()[:-1] + f',"weights.1":{seen}}}',
    ):
        assert len(twice) > len(header.rstrip())
        packed = twice.encode()
        path.write_bytes(struct.pack("<Q", len(packed)) + packed + content[8 + length :])
        with pytest.raises(CheckpointError, match="stands twice in one object"):
            read_checkpoint(path)
