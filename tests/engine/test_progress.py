"""Progress that is shown, and runs that a notebook interrupts and resumes."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from lava_desire import DesireConfig, DesireNetwork, fit, load_dataset

CONFIG = DesireConfig((64, 20, 10), batch_size=32, epochs=2)

BEGIN = """
import os
import numpy as np
from pathlib import Path
from lava_desire import DesireConfig, DesireNetwork, fit, load_dataset

digits = load_dataset("digits")
few = digits.train_images[:200], digits.train_labels[:200]
network = DesireNetwork(DesireConfig((64, 20, 10), batch_size=8, epochs=100_000, seed=3))
Path("process").write_text(str(os.getpid()))
fit(network, few, folder="run", progress=True)
"""
GO_ON = """
from lava_desire.checkpoint import read_checkpoint

state = read_checkpoint("run/checkpoint.safetensors").state
network.config = network.config.replace(epochs=state["epoch"] + 1)
history = fit(network, few, folder="run", resume=True)
unbroken = DesireNetwork(network.config)
fit(unbroken, few)
assert len(history.records) == state["epoch"] + 1
pairs = zip(network.numpy_weights(), unbroken.numpy_weights(), strict=True)
print(all(np.array_equal(mine, theirs) for mine, theirs in pairs))
"""


def test_a_bar_shows_samples_and_accuracies_of_the_last_epoch(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)  # tqdm would cut the line there
    seen = []
    plain, shown = DesireNetwork(CONFIG), DesireNetwork(CONFIG)
    history = fit(plain, load_dataset("digits"))
    assert "samples/s" not in capsys.readouterr().err
    fit(shown, load_dataset("digits"), progress=True, on_progress=seen.append)
    last = capsys.readouterr().err.split("\r")[-1]
    assert "100%" in last
    assert "2876/2876" in last
    assert f"epoch 2/2, training {100 * history.last.train_accuracy:.1f} %" in last
    assert f"test {100 * history.last.test_accuracy:.1f} %" in last
    assert len(seen) == 2 * (-(-1438 // 32) + 1)
    assert (plain.numpy_weights()[0] == shown.numpy_weights()[0]).all()


@pytest.mark.skipif(os.name != "posix", reason="the kernel is interrupted by a POSIX signal")
def test_a_notebook_interrupts_a_run_and_goes_on_in_the_next_cell(tmp_path):
    for name in ("nbclient", "ipykernel"):
        pytest.importorskip(name)
    import nbformat
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    cells = [nbformat.v4.new_code_cell(source) for source in (BEGIN, GO_ON)]
    manager = AsyncKernelManager(
        kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[])
    )
    client = NotebookClient(
        nbformat.v4.new_notebook(cells=cells),
        manager,
        timeout=120,
        allow_errors=True,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    is_over = threading.Event()

    def interrupt():
        while not (tmp_path / "run" / "metrics.json").exists():
            if is_over.wait(0.05):
                return
        time.sleep(0.2)
        os.kill(int((tmp_path / "process").read_text()), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        first, second = client.execute().cells
    finally:
        is_over.set()
        thread.join()
    error = first.outputs[-1]
    assert error.ename == "Interrupted", first.outputs
    assert error.evalue == "saved; resume with fit(..., folder='run', resume=True)"
    bar = "".join(each.get("text", "") for each in first.outputs)
    assert "samples/s" in bar
    assert [each.get("text") for each in second.outputs] == ["True\n"], second.outputs
