"""`DesireClassifier` is an estimator of scikit-learn."""

from __future__ import annotations

import dataclasses
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from lava_desire import DesireClassifier, DesireConfig, DesireNetwork, evaluate, fit, load_dataset
from lava_desire.randomness import validation_split

SMALL = DesireClassifier(
    (20,), scale="feature", complement=True, epochs=5, batch_size=16, learning_rate=1e-3
)
CHECKS = list(estimator_checks_generator(SMALL))
IRIS, KINDS = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[KINDS]


@pytest.mark.parametrize(
    ("estimator", "check"),
    CHECKS,
    ids=[getattr(check, "func", check).__name__ for _, check in CHECKS],
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_all_of_scikit_learns_checks_apply():
    assert len(CHECKS) > 50
    assert not [check for _, check in CHECKS if hasattr(check, "marks")]


@pytest.fixture(scope="module")
def learned():
    return clone(SMALL).set_params(random_state=0).fit(IRIS, NAMES)


def test_it_computes_what_fit_does():
    data = load_dataset("digits")
    bytes_ = np.round(data.train_images * 255).astype(np.uint8)
    classifier = DesireClassifier((30,), epochs=1, random_state=3).fit(bytes_, data.train_labels)
    config = DesireConfig.preset("digits").resized(hidden=(30,), epochs=1, seed=3)
    network = DesireNetwork(config)
    fit(network, (bytes_, data.train_labels))
    assert classifier.network_.config == config
    for ours, theirs in zip(classifier.network_.weights, network.weights, strict=True):
        assert ours.equal(theirs)


def test_it_learns_in_integers_as_fit_does():
    images, labels = load_dataset("digits").train
    classifier = DesireClassifier((30,), arithmetic="fixed_point", epochs=2, random_state=3)
    classifier.fit(images[:300], labels[:300])
    config = DesireConfig.preset("digits").resized(hidden=(30,), epochs=2, seed=3)
    network = DesireNetwork(config, arithmetic="fixed_point")
    fit(network, (images[:300], labels[:300]))
    for ours, theirs in zip(classifier.network_.weights, network.weights, strict=True):
        assert ours.equal(theirs)
    copy = pickle.loads(pickle.dumps(classifier))
    assert copy.network_.arithmetic == "fixed_point"
    assert (copy.predict_proba(images) == classifier.predict_proba(images)).all()


def test_every_field_of_the_configuration_is_a_parameter():
    fields = {field.name for field in dataclasses.fields(DesireConfig)}
    parameters = DesireClassifier().get_params()
    assert fields - parameters.keys() == {"layer_sizes", "layers", "seed"}
    preset = DesireConfig.preset("digits")
    assert parameters["hidden_layers"] == preset.layer_sizes[1:-1]
    for name in fields & parameters.keys():
        assert parameters[name] == getattr(preset, name)
        assert f"{name} : " in DesireClassifier.__doc__


def test_texts_are_labels_and_columns_have_names(learned):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    assert list(learned.classes_) == ["setosa", "versicolor", "virginica"]
    assert learned.score(IRIS, NAMES) > 0.6
    names = ["a", "b", "c", "d"]
    table = pyarrow.table({name: IRIS[:, place] for place, name in enumerate(names)})
    again = clone(learned).fit(table, NAMES)
    assert list(again.feature_names_in_) == names
    assert (again.predict(table) == learned.predict(IRIS)).all()
    with pytest.raises(ValueError, match="feature names"):
        again.predict(table.rename_columns(["a", "b", "d", "c"]))


def test_pipelines_grids_and_folds():
    pipeline = make_pipeline(
        MinMaxScaler(clip=True), clone(SMALL).set_params(scale=None, random_state=0, epochs=2)
    )
    search = GridSearchCV(pipeline, {"desireclassifier__hidden_layers": [(5,), (20,)]}, cv=2)
    assert search.fit(IRIS, NAMES).best_score_ > 0.5
    assert (
        len(cross_val_score(search.best_estimator_, IRIS, NAMES, cv=2, scoring="neg_log_loss")) == 2
    )
    calibrated = CalibratedClassifierCV(pipeline, cv=2).fit(IRIS, NAMES)
    assert np.allclose(calibrated.predict_proba(IRIS).sum(axis=1), 1)


def test_validation_chooses_the_epoch_and_ends_training():
    data = load_dataset("digits")
    parameters = {"epochs": 20, "learning_rate": 5e-4, "random_state": 1}
    classifier = DesireClassifier((30,), validation_fraction=0.2, patience=1, **parameters)
    classifier.fit(data.train_images, data.train_labels)
    history = classifier.history_
    assert len(history.records) == history.best.epoch + 1 < 20
    _, held_out = validation_split(data.train_labels, 0.2, 1)
    images, labels = data.train_images[held_out], data.train_labels[held_out]
    accuracy = evaluate(classifier.network_, (images, labels)).accuracy
    assert accuracy == history.best.validation_accuracy > history.last.validation_accuracy


def test_averaged_weights_are_those_that_classify():
    rows = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], np.float32).repeat(4, axis=0)
    classifier = DesireClassifier((6,), epochs=2, weight_average=0.9, random_state=0)
    plain = clone(classifier).set_params(weight_average=0).fit(rows, [0] * 4 + [1] * 4)
    classifier.fit(rows, [0] * 4 + [1] * 4)
    assert not classifier.network_.weights[0].equal(plain.network_.weights[0])


def test_it_can_be_kept(learned, tmp_path):
    joblib.dump(learned, tmp_path / "iris.joblib")
    for copy in (pickle.loads(pickle.dumps(learned)), joblib.load(tmp_path / "iris.joblib")):
        assert (copy.predict_proba(IRIS) == learned.predict_proba(IRIS)).all()


def test_a_tie_goes_to_the_first_of_the_largest():
    dark = np.zeros((2, 4), np.float32)
    rows = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], np.float32).repeat(4, axis=0)
    classifier = DesireClassifier((6,), epochs=1, random_state=0).fit(rows, list("bbbbaaaa"))
    assert list(classifier.undecided(dark)) == [True, True]
    assert list(classifier.predict(dark)) == ["a", "a"]
    assert (classifier.decision_function(dark) == 0).all()
    assert (classifier.predict_proba(dark) == 0.5).all()


def test_an_earlier_class_is_half_a_spike_ahead():
    data = load_dataset("digits")
    classifier = DesireClassifier((30,), epochs=1, tie_break="earliest", random_state=0)
    classifier.fit(data.train_images, data.train_labels)
    scores = classifier.decision_function(data.test_images)
    prediction = classifier.network_.predict(data.test_images).numpy()
    is_broken = (scores % 1).any(axis=1)
    assert is_broken.any()
    decided = prediction >= 0
    assert (classifier.predict(data.test_images) == prediction)[decided].all()
    assert (
        classifier.predict_proba(data.test_images).argmax(axis=1) == scores.argmax(axis=1)
    ).all()


def test_convolutions_know_their_planes():
    data = load_dataset("digits")
    classifier = DesireClassifier(("4c3s2", 10), input_shape=(1, 8, 8), epochs=0, random_state=0)
    classifier.fit(data.train_images[:100], data.train_labels[:100])
    assert classifier.network_.config.shape_text == "1x8x8-4c3s2-10-10"


@pytest.mark.filterwarnings("error")
def test_a_dark_sample_alone_is_classified_as_among_others():
    data = load_dataset("digits")
    bytes_ = np.round(data.train_images * 255).astype(np.uint8)
    classifier = DesireClassifier((30,), epochs=1, random_state=0).fit(bytes_, data.train_labels)
    dark = np.ones((1, 64), np.uint8)
    among = classifier.predict_proba(np.vstack([bytes_[:3], dark]))
    assert (classifier.predict_proba(dark)[0] == among[3]).all()


@pytest.mark.parametrize(
    ("parameters", "features", "labels", "message"),
    [
        ({}, IRIS, NAMES, r"X reaches from 0.1 to 7.9: expected brightness in \[0, 1\]"),
        ({"scale": "max"}, IRIS, NAMES, "scale is 'max': expected None, 'feature' or 'data'"),
        ({"scale": "data", "patience": 2}, IRIS, NAMES, "patience is 2 and validation_fraction 0"),
        ({"scale": "data", "validation_fraction": 2}, IRIS, NAMES, "2: expected"),
        (
            {"scale": "data", "epochs": -1},
            IRIS,
            NAMES,
            r"epochs is -1: expected an integer in \[0, 2147483647\]",
        ),
        ({"scale": "data"}, IRIS, ["one"] * 150, "y holds 1 class, 'one': expected two at least"),
        ({"scale": "data", "device": "tpu"}, IRIS, NAMES, "device is 'tpu': expected cpu"),
        (
            {"scale": "data", "arithmetic": "integers"},
            IRIS,
            NAMES,
            "arithmetic is 'integers': expected one of floating_point, fixed_point",
        ),
    ],
)
def test_what_is_refused(parameters, features, labels, message):
    with pytest.raises(ValueError, match=message):
        DesireClassifier((5,), **parameters).fit(features, labels)


def test_features_beyond_those_of_training_are_clipped(learned):
    far = np.vstack([IRIS.max(axis=0), 10 * IRIS.max(axis=0)])
    assert (learned.predict_proba(far)[0] == learned.predict_proba(far)[1]).all()


def test_its_card_is_that_of_the_epoch_whose_weights_it_has():
    images, labels = load_dataset("digits").train
    for average in (0.0, 0.9):
        model = DesireClassifier(
            (20,),
            epochs=5,
            learning_rate=0.03,
            batch_size=16,
            random_state=0,
            validation_fraction=0.2,
            weight_average=average,
        ).fit(images[:300], labels[:300])
        chosen = model.history_.chosen
        assert model.network_.card["epoch"] == chosen.epoch
        reached = model.network_.card["accuracy"]["validation"]
        assert reached == model.history_.best_accuracy
        assert model.history_.chosen.epoch < 5 or average


def test_what_is_set_after_fit_waits_for_the_next():
    images, labels = load_dataset("digits").train
    model = DesireClassifier((20,), epochs=1, scale="data").fit(images[:100], labels[:100])
    before = model.predict_proba(images[:20])
    model.set_params(complement=True, scale="feature")
    np.testing.assert_array_equal(model.predict_proba(images[:20]), before)
    assert model.fit(images[:100], labels[:100]).network_.config.num_inputs == 128
    with pytest.raises(ValueError, match="image_shift is 1: expected 0 beside a complement"):
        model.set_params(image_shift=1).fit(images[:100, :32], labels[:100])
