"""A network as a classifier of scikit-learn: :class:`DesireClassifier`."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from lava_desire.backends.inputs import as_input
from lava_desire.config import OPTIONS, DesireConfig
from lava_desire.model.fields import document_fields
from lava_desire.model.parts import SAY_LAYERS
from lava_desire.network import DesireNetwork
from lava_desire.training.callbacks import Callback, EarlyStopping
from lava_desire.training.choose import fit
from lava_desire.training.evaluation import EVALUATION_BATCH, chunks, decide

if TYPE_CHECKING:
    from lava_desire.model.state import NetworkState
    from lava_desire.training.history import EpochRecord
    from lava_desire.training.loop import TrainingRun

Array = npt.NDArray[Any]

SCALES = (None, "feature", "data")
"""How features are brought to [0, 1]: not at all, each by its own range, or all by one."""

_BASE = DesireConfig.preset("digits")
_OTHERWISE = (*SAY_LAYERS, "seed")  # hidden_layers, the data and random_state say them


def _with_fields(cls: type[Any]) -> type[Any]:
    """Give an estimator the fields of the configuration as parameters, and document them."""
    fields = [each for each in dataclasses.fields(DesireConfig) if each.name not in _OTHERWISE]
    for field in fields:
        cls.__annotations__[field.name] = field.type
        default = getattr(_BASE, field.name) if field.name != "input_shape" else ()
        setattr(cls, field.name, default)
    document_fields(cls, fields)
    return dataclasses.dataclass(eq=False, repr=False)(cls)


class _Chosen(Callback):
    """Keeps the weights to classify with: the best in validation, or else the last.

    Where weights are averaged these are the averages, or in validation the better of both.
    """

    def __init__(self) -> None:
        self.state: NetworkState | None = None
        self.card: dict[str, Any] = {}  # what is said of them
        self._accuracy = -1.0

    def on_epoch_end(self, run: TrainingRun, record: EpochRecord) -> None:
        for accuracy, network in (
            (record.accuracy, run.network),
            (record.average_accuracy, run.average.network if run.average else None),
        ):
            if network is not None and accuracy is not None and accuracy > self._accuracy:
                self._keep(network)
                self._accuracy = accuracy

    def on_end(self, run: TrainingRun) -> None:
        if self.state is None and run.average is not None:
            self._keep(run.average.network)

    def _keep(self, network: DesireNetwork) -> None:
        self.state, self.card = network.state.copy(), copy.deepcopy(network.card)


@_with_fields
class DesireClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # sklearn has no types
    """A spiking network that learns by desire backpropagation, in scikit-learn's manner.

    It works in pipelines, grid searches and cross-validation, can be cloned and pickled, and names
    a class for every sample: where several output neurons spike equally often, which elsewhere is
    undecided and counts as wrong, it is the first of theirs. Defaults are those of the preset
    ``digits``.

    Parameters
    ----------
    hidden_layers : tuple
        Neurons a hidden layer, (N_1, ..., N_{L−1}); or connections and their texts,
        ``("16c5s2", 100)``, beside `input_shape`.
    scale : {None, "feature", "data"}
        How features become brightness in [0, 1]. None: they are that already, float, or bytes,
        uint8, with 255 as white; others are refused. ``"feature"``: each by its least and largest
        value in training. ``"data"``: all by the least and largest of all, as pixels of one scale.
        Values beyond those of training are clipped.
    complement : bool
        Whether each brightness x comes in twice, as x and as 1 − x. Inputs of 0 make no spike and
        neurons have no bias, so that without it a low value says nothing: meant for tables, where
        features are few.
    validation_fraction : float
        Share of the training samples, in (0, 1), drawn class by class, that is not learned and
        chooses the epoch whose weights are kept; 0: the last epoch's are, and their average where
        there is a `weight_average`.
    patience : int
        Epochs without a higher accuracy in validation after which training ends; 0: all are
        trained.
    random_state : int, RandomState or None
        An integer is the network's seed, and makes all repeatable. None draws one.
    device : str
        Where the network computes: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
    arithmetic : {"floating_point", "fixed_point"}
        What it learns and computes in: float32, or the integers of a chip, 8-bit weights, as
        :class:`~lava_desire.engine.DesireNetwork` takes it.
    {fields}

    Attributes
    ----------
    classes_ : array
        (K,) of the labels' dtype, sorted: class k is output neuron k.
    network_ : DesireNetwork
        The network that has learned, with the weights that are kept.
    history_ : History
        Its epochs.
    n_features_in_ : int
        Features a sample, N.
    feature_names_in_ : array
        (N,) of dtype object: the names of columns, where the data had any.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import cross_val_score
    >>> images, labels = load_digits(return_X_y=True)
    >>> classifier = DesireClassifier((200,), scale="data", epochs=5, random_state=0)
    >>> bool(cross_val_score(classifier, images, labels, cv=3).min() > 0.8)
    True
    >>> integers = classifier.set_params(arithmetic="fixed_point").fit(images[:1500], labels[:1500])
    >>> integers.network_.weights[0].dtype, integers.score(images[1500:], labels[1500:]) > 0.8
    (torch.int8, True)
    """

    hidden_layers: tuple[Any, ...] = (200, 100)
    scale: str | None = None
    complement: bool = False
    validation_fraction: float = 0.0
    patience: int = 0
    random_state: Any = None
    device: str = "cpu"
    arithmetic: str = "floating_point"

    if TYPE_CHECKING:

        def __init__(
            self, hidden_layers: tuple[Any, ...] = (200, 100), *more: Any, **fields: Any
        ) -> None: ...
        def __getattr__(self, field: str) -> Any: ...

    def fit(self, X: Any, y: Any) -> DesireClassifier:  # noqa: N803
        """Train a new network.

        Parameters
        ----------
        X : array
            (S, N) float, or integers: features, see `scale`.
        y : array
            (S,) integers or texts, the labels, of two classes at least.

        Returns
        -------
        DesireClassifier
            Itself.

        Raises
        ------
        ValueError
            If features are not of the scale that is said, labels are no classes, or a parameter is
            out of its range.
        """
        if self.scale not in SCALES:
            raise ValueError(f"scale is {self.scale!r}: expected None, 'feature' or 'data'")
        if self.patience and not self.validation_fraction:
            raise ValueError(
                f"patience is {self.patience} and validation_fraction 0: expected a share of the "
                "samples to validate with, as 0.1"
            )
        features, y = validate_data(self, X, y, dtype="numeric")
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds 1 class, {self.classes_[0]!r}: expected two at least")
        self._scaler = None
        # What is set after fit holds for the next one only.
        self._by_one_range, self._adds_complement = self.scale == "data", self.complement
        if self.scale is not None:
            self._scaler = MinMaxScaler(clip=True).fit(self._columns(features))
        images = self._brightness(features)
        config = self._config(images.shape[1])
        network = DesireNetwork(config, self.device, arithmetic=self.arithmetic)
        chosen = _Chosen()
        self.history_ = fit(
            network,
            (images, labels.astype(np.int64)),
            validation=self.validation_fraction or None,
            callbacks=[chosen, *([EarlyStopping(self.patience)] if self.patience else [])],
        )
        if chosen.state is not None:
            network.restore(chosen.state)
            network.card = chosen.card
        self.network_ = network
        return self

    def _config(self, num_inputs: int) -> DesireConfig:
        """Return the network's configuration, of so many inputs and the classes."""
        fields = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(DesireConfig)
            if field.name not in _OTHERWISE
        }
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(np.iinfo(np.int32).max)
        hidden = tuple(
            int(size) if isinstance(size, np.integer) else size
            for size in np.atleast_1d(np.asarray(self.hidden_layers, object))
        )
        fields["seed"], num_classes = int(seed), len(self.classes_)
        if self._adds_complement:
            for option in (each for each in OPTIONS if each.needs_planes):
                own = {field.name: fields[field.name] for field in dataclasses.fields(option)}
                option(**own).refuse(" beside a complement, with which inputs are no image")
        if all(isinstance(size, int) for size in hidden) and not self.input_shape:
            return DesireConfig((num_inputs, *hidden, num_classes)).replace(**fields)
        return DesireConfig(layers=(*hidden, num_classes), **fields)

    def _columns(self, features: Array) -> Array:
        """Return features as the scaler sees them: all in one column, or each in its own."""
        columns: Array = features.astype(np.float64)
        return columns.reshape(-1, 1) if self._by_one_range else columns

    def _brightness(self, features: Array) -> Array:
        """Return what the network sees, (S, N) uint8 or float32 in [0, 1]."""
        images: Array
        if self._scaler is not None:
            scaled = self._scaler.transform(self._columns(features)).reshape(features.shape)
            images = scaled.astype(np.float32)
        elif features.dtype == np.uint8:
            images = features
        else:
            images = features.astype(np.float32)
            if not (images.min() >= 0 and images.max() <= 1):
                raise ValueError(
                    f"X reaches from {features.min():.6g} to {features.max():.6g}: expected "
                    'brightness in [0, 1], or bytes, uint8; give scale="feature", which brings '
                    'each feature to [0, 1] by its range in training, or scale="data", which '
                    "takes one range for all, as of pixels"
                )
        if not self._adds_complement:
            return images
        white = images.dtype.type(255 if images.dtype == np.uint8 else 1)
        both: Array = np.concatenate([images, white - images], axis=1)
        return both

    def _counts(self, X: Any) -> tuple[Array, Array]:  # noqa: N803
        """Return output counts, (S, K) int64, and what the network decides, (S,), −1 for a tie."""
        check_is_fitted(self)
        features = validate_data(self, X, dtype="numeric", reset=False)
        network = self.network_
        with network.threads():
            network.check_finite()
            # One dark sample among others is no matter of scale, which training has looked at.
            images = as_input(self._brightness(features), network.config, network.device, "X")
            parts = [decide(network, images[part]) for part in chunks(images, EVALUATION_BATCH)]
        counts, predictions = (torch.cat(found).cpu().numpy() for found in zip(*parts, strict=True))
        return counts, predictions

    def _scores(self, X: Any) -> Array:  # noqa: N803
        """Return counts, (S, K) float64, the class that is decided in front of all others."""
        counts, prediction = self._counts(X)
        scores = counts.astype(np.float64)
        otherwise = np.flatnonzero((prediction >= 0) & (scores.argmax(axis=1) != prediction))
        scores[otherwise, prediction[otherwise]] = scores[otherwise].max(axis=1) + 0.5
        return scores

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Return the class of each sample.

        Parameters
        ----------
        X : array
            (S, N) float, or integers: features.

        Returns
        -------
        array
            (S,) of the dtype of `classes_`; of undecided samples the first with the largest count.

        Raises
        ------
        ValueError
            If features do not fit what was learned.
        """
        scores = self._scores(X)
        found: Array = self.classes_[scores.argmax(axis=1)]
        return found

    def decision_function(self, X: Any) -> Array:  # noqa: N803
        """Return how many spikes the output neurons make.

        Parameters
        ----------
        X : array
            (S, N) float, or integers: features.

        Returns
        -------
        array
            (S, K) float64 counts c_k in [0, T]; of two classes (S,), c_1 − c_0. A class that
            `tie_break` chooses among equal ones has half a spike more.

        Raises
        ------
        ValueError
            If features do not fit what was learned.
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """Return the softmax of the output counts: a spike more is e times as likely.

        These are no frequencies by themselves: `sklearn.calibration.CalibratedClassifierCV` makes
        some of :meth:`decision_function`.

        Parameters
        ----------
        X : array
            (S, N) float, or integers: features.

        Returns
        -------
        array
            (S, K) float64, exp(c_k) / Σ_j exp(c_j) of the counts of :meth:`decision_function`.

        Raises
        ------
        ValueError
            If features do not fit what was learned.
        """
        scores = self._scores(X)
        likely = np.exp(scores - scores.max(axis=1, keepdims=True))
        found: Array = likely / likely.sum(axis=1, keepdims=True)
        return found

    def undecided(self, X: Any) -> Array:  # noqa: N803
        """Tell of which samples no class is decided, as several output counts are the largest.

        Parameters
        ----------
        X : array
            (S, N) float, or integers: features.

        Returns
        -------
        array
            (S,) bool.

        Raises
        ------
        ValueError
            If features do not fit what was learned.
        """
        undecided: Array = self._counts(X)[1] < 0
        return undecided
