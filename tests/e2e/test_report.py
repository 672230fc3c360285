"""``lava-desire report`` and ``compare``: what a page and a table tell of runs, whole or not."""

from __future__ import annotations

import csv
import json
import shutil
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

from lava_desire.cli import main

NAMES = ("a <b>dog</b>", "cat & co", "$owl$")
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Reads a page: its texts by tag, links, ids, and rows in bold."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.ids, self.links = [], {}, [], []
        self.pictures, self.bold, self.loaded = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag not in VOID:
            self.open.append((tag, found.get("class") or ""))
        self.ids += [found["id"]] if "id" in found else []
        links = [found[name] for name in ("href", "xlink:href", "src") if name in found]
        (self.links if tag in ("a", "use") else self.loaded).extend(links)
        if tag == "svg":
            self.pictures.append(found)
        if ("tr", "bold") in self.open and tag == "th":
            self.bold.append("")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, text):
        if self.open:
            self.texts.setdefault(self.open[-1][0], []).append(text.strip())
        if ("tr", "bold") in self.open and "th" in (tag for tag, _ in self.open):
            self.bold[-1] += text.strip()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Train two networks on samples whose classes have names that HTML and formulas would take."""
    folder = tmp_path_factory.mktemp("runs")
    draw = np.random.default_rng(1)
    labels = np.arange(60) % 3
    images = draw.integers(0, 60, (60, 6, 6), np.uint8)
    images[np.arange(60), labels, :] += 190
    np.savez(folder / "own.npz", images=images, labels=np.array(NAMES)[labels])
    given = ["--data", folder / "own.npz", "--layers", "12", "--epochs", "2", "--quiet"]
    for name, more in (("a", []), ("b", ["--learning-rate", "1e-3", "--validation", "0.25"])):
        with pytest.raises(SystemExit) as caught:
            main(["train", *map(str, given), "--output", str(folder / name), *more])
        assert caught.value.code == 0
    return folder


@pytest.fixture(scope="module")
def pages(runs):
    """Return the pages of one run and of two."""
    found = SimpleNamespace()
    for name, chosen in (("one", ["a"]), ("two", ["a", "b"])):
        path = runs / f"{name}.html"
        with pytest.raises(SystemExit) as caught:
            main(["report", *(str(runs / each) for each in chosen), "--output", str(path)])
        assert caught.value.code == 0
        setattr(found, name, path.read_text())
    return found


def test_a_page_loads_nothing_and_names_all_its_parts_once(pages):
    for text in (pages.one, pages.two):
        page = Page(text)
        assert all(link.startswith("#") for link in page.links)
        assert {link[1:] for link in page.links} <= set(page.ids)
        assert all(link.startswith("data:image/png") for link in page.loaded)
        assert "script" not in page.texts
        assert "@import" not in text
        assert "url(http" not in text
        assert len(page.ids) == len(set(page.ids))
        assert len(text) < 3_000_000


def test_a_page_of_a_run_has_all_sections_with_described_pictures(pages):
    page = Page(pages.one)
    assert page.texts["h1"] == ["Run a"]
    assert page.texts["h2"] == ["a", "Configuration and environment"]
    assert page.texts["h3"] == [
        *("Learning curve", "Desires over the epochs", "Confusion", "Classes"),
        *("Calibration of the margin", "Weights of the first layer", "Spikes of samples"),
        *("Firing rates and desires by layer", "Operations", "Energy"),
        *("Configuration", "Run", "Environment"),
    ]
    assert len(page.pictures) == 7
    assert all(each["role"] == "img" and each["aria-label"] for each in page.pictures)
    for said in ("36-12-3", "learning_rate", "own.npz", "precision", "synaptic operations"):
        assert any(said in text for texts in page.texts.values() for text in texts), said
    assert page.bold == ["mean", "all"]


def test_names_of_classes_are_texts_wherever_they_stand(pages):
    page = Page(pages.one)
    assert "<b>" not in pages.one
    assert "b" not in page.texts
    rows = [text for text in page.texts["th"] if text]
    assert set(NAMES) <= set(rows)
    drawn = page.texts["text"]
    assert {"a <b>dog</b>", "$owl$"} <= set(drawn)


def test_differences_between_runs_are_in_bold_and_first(pages):
    page = Page(pages.two)
    assert page.texts["h2"][0] == "Comparison"
    assert {"learning_rate", "validation"} <= set(page.bold)
    assert "seed" not in page.bold
    assert page.texts["th"].index("learning_rate") < page.texts["th"].index("num_steps")


@pytest.mark.parametrize(
    ("kept", "says", "pictures"),
    [
        (["metrics.json", "config.json", "run.json"], "No such file", 2),
        (["checkpoint.safetensors", "config.json"], "run.json is missing", 3),
        (["metrics.json"], "config.json is missing", 2),
        (["config.json", "run.json"], "metrics.json is missing", 0),
        ([], "metrics.json is damaged", 7),
    ],
)
def test_a_page_says_what_is_missing(runs, run, tmp_path, kept, says, pictures):
    folder = tmp_path / "run"
    shutil.copytree(runs / "a", folder)
    if not kept:
        (folder / "metrics.json").write_text('{"epochs": [1')
    else:
        for file in folder.iterdir():
            if file.name not in kept:
                file.unlink()
    status, out, err = run("report", folder)
    assert (status, out) == (0, "1 run in report.html\n")
    assert says in err
    page = Page((tmp_path / "report.html").read_text())
    assert any(says in text for text in page.texts["p"])
    assert len(page.pictures) == pictures


def test_a_run_whose_samples_are_gone_or_moved(runs, run, tmp_path):
    folder, notes = tmp_path / "run", runs / "a" / "run.json"
    shutil.copytree(runs / "a", folder)
    fields = json.loads(notes.read_text())
    fields["source"]["file"] = str(tmp_path / "gone.npz")
    (folder / "run.json").write_text(json.dumps(fields))
    assert "no sample is shown: " in run("report", folder)[2]
    assert len(Page((tmp_path / "report.html").read_text()).pictures) == 3
    assert run("report", folder, "--data", runs / "own.npz")[2] == ""
    assert len(Page((tmp_path / "report.html").read_text()).pictures) == 7


def test_what_is_no_run_or_no_page_is_refused(runs, run, tmp_path):
    for arguments, says in (
        (("report", runs / "a", "--output", "page.txt"), "--output is 'page.txt': expected a name"),
        (("report", tmp_path), "holds no run: expected one, or a folder of runs"),
        (("compare", tmp_path / "none"), "none; expected a run, or a folder of runs"),
        (("compare", runs / "a", "--csv", runs / "a" / "metrics.csv"), "a file of the run in"),
    ):
        status, out, err = run(*arguments)
        assert (status, out) == (2, "")
        assert says in err


def test_runs_are_compared_the_best_first(runs, run, tmp_path):
    shutil.copytree(runs / "a", tmp_path / "runs" / "whole")
    shutil.copytree(runs / "a", tmp_path / "runs" / "below" / "unfinished")
    shutil.copytree(runs / "b", tmp_path / "runs" / "damaged")
    unfinished = tmp_path / "runs" / "below" / "unfinished"
    stored = json.loads((unfinished / "metrics.json").read_text())
    stored["epochs"] = stored["epochs"][:1]
    stored["epochs"][0]["test_accuracy"] = 0.0
    (unfinished / "metrics.json").write_text(json.dumps(stored))
    (tmp_path / "runs" / "damaged" / "config.json").write_text("{")
    (tmp_path / "runs" / "damaged" / "checkpoint.safetensors").write_bytes(b"no")
    status, out, err = run("compare", "runs", "--csv", "table.csv")
    assert status == 0
    assert "warning: damaged: " in err
    assert "config.json is damaged" in err
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[2:5]][-1] == "below/unfinished"
    assert "1 of 2" in lines[4]
    with open("table.csv") as file:
        rows = list(csv.DictReader(file))
    found = json.loads(run("compare", "runs", "--json")[1])
    assert [row["run"] for row in rows] == [each["run"] for each in found["runs"]]
    best = [each["best"] for each in found["runs"]]
    assert best == sorted(best, reverse=True)
    assert {"learning_rate", "validation"} <= set(found["differing"])
    assert "seed" not in found["differing"]  # the older checkpoint of the damaged one tells it
    same = run("compare", "runs/whole", "runs/below/unf*")[1]
    assert "nothing differs" in same


def test_runs_of_several_seeds_have_a_mean_and_what_differs_is_said_once(runs, run, tmp_path):
    for seed, accuracy in enumerate((0.5, 0.75)):
        folder = tmp_path / "runs" / f"seed-{seed}"
        shutil.copytree(runs / "a", folder)
        for name, change in (("config.json", seed), ("metrics.json", accuracy)):
            stored = json.loads((folder / name).read_text())
            if name == "config.json":
                stored["seed"] = change
            else:
                for epoch in stored["epochs"]:
                    epoch["test_accuracy"] = change
            (folder / name).write_text(json.dumps(stored))
    shutil.copytree(runs / "b", tmp_path / "runs" / "other")
    shutil.copytree(tmp_path / "runs" / "seed-0", tmp_path / "runs" / "copy")
    (group,) = json.loads(run("compare", "runs", "--json")[1])["over_seeds"]
    assert sorted(group["seeds"]) == [0, 1]
    assert len(group["runs"]) == 2
    assert "other" not in group["runs"]
    assert group["last"] == {"mean": 0.625, "deviation": pytest.approx(0.125 * 2**0.5)}
    out = " ".join(run("compare", "runs")[1].split())
    assert "mean ± deviation over 2 seeds: best 62.50 ± 17.68 %, last 62.50 ± 17.68 %" in out
    assert out.count("learning_rate") == 1
    assert run("report", "runs/seed-0", "runs/seed-1")[0] == 0
    page = Page((tmp_path / "report.html").read_text())
    assert page.texts["td"].count("62.50 ± 17.68 %") == 2


def test_a_report_of_a_table_has_no_images_of_weights(run, tmp_path):
    rows = [f"{x % 3},{x},{x % 5},{x % 2},{'no' if x % 3 else 'yes'}" for x in range(40)]
    (tmp_path / "own.csv").write_text("\n".join(["p,q,r,s,label", *rows]))
    assert (
        run("train", "--data", "own.csv", "--layers", "8", "--epochs", "1", "--output", "t")[0] == 0
    )
    assert run("report", "t")[0] == 0
    page = Page((tmp_path / "report.html").read_text())
    assert "They are no images: the data are a table of 4 columns." in page.texts["p"]


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_an_output_that_is_a_file_or_cannot_be_made_is_refused_in_a_sentence(run, tmp_path, force):
    (tmp_path / "wine.csv").write_text("kept")
    for output, says in (
        ("wine.csv", "--output is 'wine.csv', which is no folder: expected one, or a new name"),
        ("wine.csv/runs", "The folder wine.csv/runs cannot be made (Not a directory): expected"),
    ):
        status, _, err = run("train", "--dataset", "digits", "--quiet", "--output", output, *force)
        assert status == 2
        assert says in err
        assert "Errno" not in err
    assert (tmp_path / "wine.csv").read_text() == "kept"
