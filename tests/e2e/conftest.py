"""The command line, called as a user would."""

from __future__ import annotations

import pytest


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Call the command in an empty folder; return exit status, output and errors."""
    from lava_desire.cli import main

    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return call
