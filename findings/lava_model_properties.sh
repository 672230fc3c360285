#!/usr/bin/env bash
# Lava 0.10.0: the setter of a property in a process model is never called.
#
# One would expect a @property of a PyLoihiProcessModel to check or convert what it is given, as in any class. Seen: the
# base class writes into the instance's dictionary itself, so that an assignment goes past the setter without
# an error, and the getter goes on returning the old value.
# For our users: in a model, write a method (`set_gain(value)`) where a property would have a setter.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install numpy==1.26.4 scipy==1.13.1 networkx==2.8.7 asteval==0.9.33 scikit-learn==1.5.2
"$folder/venv/bin/python" -m pip -q install --no-deps --ignore-requires-python lava-nc==0.10.0
cd "$folder"
cat >script.py <<'PYTHON'
import sys

from lava.magma.core.model.py.model import PyLoihiProcessModel


class Model(PyLoihiProcessModel):
    def __init__(self, proc_params=None):
        super().__init__(proc_params)
        self._gain = 1

    @property
    def gain(self):
        return self._gain

    @gain.setter
    def gain(self, value):
        self._gain = int(value)


model = Model()
model.gain = 5
print("gain after gain = 5:", model.gain, "; in the dictionary:", model.__dict__.get("gain"))
sys.exit((model.gain, model.__dict__.get("gain")) != (1, 5))
PYTHON
venv/bin/python script.py
