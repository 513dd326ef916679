"""scikit-learn's multi-layer perceptrons, alone or at the end of a pipeline."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
from scipy.special import expit, softmax
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils.validation import check_is_fitted

from layerscope.backends.availability import require_keras
from layerscope.backends.base import ForwardPass, Result, Tap, Update
from layerscope.backends.editing import AxesByAddress, Editing, LayerEdit, NumpyArrays
from layerscope.backends.gradient_rules import GradientRule
from layerscope.backends.sklearn.editing import begin, edited, returned
from layerscope.backends.sklearn.kinds import subject_of_step
from layerscope.backends.sklearn.operations import operations_of
from layerscope.backends.sklearn.training import SklearnTraining
from layerscope.backends.trace import PassComplete, Subject, Trace
from layerscope.backends.turns import in_turn
from layerscope.core.addresses import unknown_address
from layerscope.core.axes import NamedArray
from layerscope.core.errors import InputError, ModelError
from layerscope.core.layer_kinds import activation_name
from layerscope.core.network import InputSpec, Layer, Network, Parameter
from layerscope.core.operations import OperationGraph
from layerscope.core.selection import Selection, select

Array = npt.NDArray[Any]

_NAMED = 8  #: columns that a message names
_NEEDED_FOR = "features of a scikit-learn model"

_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "logistic": expit,
    "softmax": lambda x: softmax(x, axis=1),
}


class SklearnBackend:
    """One fitted ``MLPClassifier`` or ``MLPRegressor``, or a pipeline that ends in one.

    Its layers are called ``hidden_0``, ``hidden_1`` and so on, and ``output``; what they return is
    taken after the activation, as in Keras' Dense. The steps of a pipeline before it are operations
    and bear their own names.
    """

    training = SklearnTraining

    def __init__(self, model: Any) -> None:
        steps = model.steps if isinstance(model, Pipeline) else [("", model)]
        last = steps[-1][1]
        if not isinstance(last, MLPClassifier | MLPRegressor):
            what = f"a {type(model).__name__}"
            if last is not model:
                what += f" that ends in a {type(last).__name__}"
            raise ModelError(
                f"layerscope can't look into {what}: of scikit-learn it knows MLPClassifier and "
                "MLPRegressor, and pipelines that end in one (of a search, pass its "
                "best_estimator_)."
            )
        try:
            check_is_fitted(last, "coefs_")
        except NotFittedError:
            raise ModelError(
                f"This {type(last).__name__} has no weights yet: fit it first."
            ) from None
        self._whole = model
        self._model = last
        self._before = [(n, step) for n, step in steps[:-1] if step not in (None, "passthrough")]

    @property
    def framework(self) -> str:
        """``scikit-learn 1.9.1``."""
        return f"scikit-learn {sklearn.__version__}"

    @in_turn
    def describe(self) -> Network:
        """Return the layers in order, all known without a pass: no step sees any data."""
        x = np.zeros((1, self._features()), self._dtype())
        steps = [step for _, step in self._before]
        widths = dict(zip(map(id, steps), map(self._width, range(len(steps))), strict=True))
        empty = lambda step, value: np.zeros((1, widths[id(step)]), self._dtype())  # noqa: E731
        return self._pass(x, x, Selection(everything=True), empty).network

    @in_turn
    def inputs(self) -> tuple[InputSpec, ...]:
        """Return one vector of features for each sample; or what the first steps take as it is."""
        if self._takes_objects():
            return (InputSpec("input", dtype="object", values=self._columns()),)
        names = self._columns()
        return (InputSpec("input", (None, self._features()), str(self._dtype()), values=names),)

    def _columns(self) -> tuple[str, ...]:
        """Return what the columns of the table are called that it was fitted on."""
        first = self._before[0][1] if self._before else self._model
        return tuple(map(str, getattr(first, "feature_names_in_", ())))

    @in_turn
    def select(self, layers: Any, executed: Iterable[Layer] | None = None) -> Selection:
        """Read ``layers=``; the layers are all known beforehand."""
        return select(layers, lambda _: None, None if layers is None else self.describe().layers)

    @in_turn
    def run(self, x: Any, selection: Selection) -> ForwardPass:
        """Run the forward pass of ``predict_proba``, or of ``predict`` for a regressor."""
        if self._takes_objects():
            received = _written(x)
            return self._pass(x, received, selection, self._transformed)
        value = np.array(x, dtype=self._dtype())
        return self._pass(value, value, selection, self._transformed)

    def _pass(
        self,
        x: Any,
        received: Array,
        selection: Selection,
        transform: Callable[[Any, Any], Array],
    ) -> ForwardPass:
        """Run a pass on x, of which ``received`` is to be shown; ``transform`` makes the steps."""
        value: Any = x
        values: dict[str, Any] = {}
        trace = Trace(
            selection,
            batch=len(received),
            is_value=lambda v: isinstance(v, np.ndarray),
            default_layout="channels_last",
            values=values,
        )
        trace.receive("input", received, listed=None)
        complete, source = True, received
        try:
            for name, step in self._before:
                trace.enter(subject_of_step(name, step))
                value = source = trace.leave([source], transform(step, value))
            if not self._before:
                begin(self._model, value)
            for subject, kernel, bias, activate in self._layers():
                trace.enter(subject)
                result = activate(value @ kernel + bias)
                value = trace.leave([value], returned(self._model, subject.address, result))
        except PassComplete:
            complete = False
        network = trace.network(type(self._whole).__name__, self.framework, self._parameters())
        if not complete:
            network = self.describe()
        return ForwardPass(
            network,
            {address: NamedArray(v, ("sample", "unit")) for address, v in values.items()},
            {"input": NamedArray(received, ("sample", "unit"))},
            {},
            value if complete else None,
        )

    @contextmanager
    def edited(
        self, edits: Sequence[LayerEdit], axes: AxesByAddress | None = None
    ) -> Iterator[Editing]:
        """Have the model's own predictions go on with edited values, as long as this lasts."""
        guessed = lambda address, value: ("sample", "unit")[-value.ndim :]  # noqa: E731
        active = Editing(edits, NumpyArrays(), lambda *args: axes or {}, guessed)

        def layer(subject: Subject, kernel: Array, bias: Array, activate: Any) -> Any:
            return lambda value: activate(value @ kernel + bias)

        layers = [(row[0].address, layer(*row)) for row in self._layers()]
        steps = {subject_of_step(name, step).address: step for name, step in self._before}
        with edited(self._model, layers, steps, active):
            yield active

    @in_turn
    def weights(self) -> Mapping[str, NamedArray]:
        """Return ``coefs_0``, ``intercepts_0`` and so on, copies of the model's."""
        arrays = {}
        pairs = zip(self._model.coefs_, self._model.intercepts_, strict=True)
        for i, (kernel, bias) in enumerate(pairs):
            arrays[f"coefs_{i}"] = NamedArray(kernel.copy(), ("input", "unit"))
            arrays[f"intercepts_{i}"] = NamedArray(bias.copy(), ("unit",))
        return arrays

    @in_turn
    def digest(self) -> str:
        """Return a SHA-256 over the names and values of the weights."""
        digest = hashlib.sha256()
        for key, array in self.weights().items():
            digest.update(key.encode())
            digest.update(np.ascontiguousarray(array.values).data)
        digest.update(self._preprocessing())
        return digest.hexdigest()

    @in_turn
    def operations(self, x: Any) -> OperationGraph:
        """Return what a pass computes, as operations, whatever x is."""
        layers = [(subject, kernel, bias) for subject, kernel, bias, _ in self._layers()]
        return operations_of(self._features(), self._before, layers)

    @property
    def ops(self) -> Any:
        """``keras.ops``, on whatever Keras runs on."""
        require_keras(_NEEDED_FOR)
        import keras

        return keras.ops

    @in_turn
    def values(
        self, taps: Sequence[Tap], embedding: str | None = None, *, redirected: bool = False
    ) -> Callable[[Any], dict[Tap, Any]]:
        """Return a forward pass that stops after the last tap.

        Raises AddressError where no layer has such an address, ModelError where a step of a
        pipeline is not differentiable here.
        """
        if embedding is not None:
            raise unknown_address(embedding, [layer.address for layer in self.describe()])
        return self._value_pass(taps, redirected=redirected)

    @in_turn
    def altered(
        self,
        taps: Sequence[Tap],
        *,
        shifted: Sequence[Layer] = (),
        rule: GradientRule | None = None,
    ) -> Callable[..., dict[Tap, Any]]:
        """Return a pass with something added to a layer, or with other gradients."""
        addresses = tuple(layer.address for layer in shifted)
        return self._value_pass(taps, rule, shifted=addresses)

    @in_turn
    def shuffled(self, keys: Collection[str], seed: int, function: Callable[[], Result]) -> Result:
        """Return what the function returns while some kernels and biases are shuffled."""
        lists = {"coefs": self._model.coefs_, "intercepts": self._model.intercepts_}
        before = {name: list(arrays) for name, arrays in lists.items()}
        rng = np.random.default_rng(seed)
        try:
            for name, arrays in lists.items():
                for i, values in enumerate(before[name]):
                    if f"{name}_{i}" in keys:
                        arrays[i] = rng.permutation(values.ravel()).reshape(values.shape)
            return function()
        finally:
            for name, arrays in lists.items():
                arrays[:] = before[name]

    def _value_pass(
        self, taps: Sequence[Tap], rule: GradientRule | None = None, **how: Any
    ) -> Callable[..., dict[Tap, Any]]:
        require_keras(_NEEDED_FOR)
        # Imported where gradients are asked for: nothing else needs Keras.
        from layerscope.backends.sklearn import gradients

        identity = gradients.ACTIVATIONS["identity"]
        layers = [
            (name, gradients.step_function(name, step), identity) for name, step in self._before
        ]
        variables = gradients.variables_of(self._model)
        rows = zip(self._layers(), variables[::2], variables[1::2], strict=True)
        layers += [
            (
                subject.address,
                gradients.dense(kernel, bias, 0.0 if rule is None else rule.gamma),
                gradients.ACTIVATIONS[subject.settings["activation"]],
            )
            for (subject, *_), kernel, bias in rows
        ]
        return gradients.value_pass(layers, taps, rule=rule, **how)

    def gradient(self, function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
        """Return the function made to return also its gradient, by what Keras runs on."""
        require_keras(_NEEDED_FOR)
        from layerscope.backends.calculus import calculus

        return calculus().gradient(function)

    @in_turn
    def compiled(
        self, function: Callable[..., Any], key: Hashable, *, network: bool
    ) -> Callable[..., Any]:
        """Return the function compiled, on JAX and TensorFlow; it is remembered."""
        require_keras(_NEEDED_FOR)
        from layerscope.backends.calculus import compiled
        from layerscope.backends.sklearn.gradients import variables_of

        model = self._model
        if not network:
            return compiled(model, function, (key, None), list, network=False)
        steps = hashlib.sha256(self._preprocessing()).digest()
        key = key, (model.activation, model.out_activation_, steps)
        variables = variables_of(model)
        return compiled(model, function, key, lambda: variables, network=True)

    def optimizer(self, which: Any, params: Any) -> Update:
        """Return ``"adam"``, or one of ``keras.optimizers``, as a pure function."""
        require_keras(_NEEDED_FOR)
        from layerscope.backends.calculus import calculus, optimizer_of

        return calculus().update(optimizer_of(which), params)

    def _preprocessing(self) -> bytes:
        """Return what tells the steps before the perceptron from others."""
        parts = []
        for name, step in self._before:
            parts.append(f"{name}: {step!r}".encode())
            for key, value in sorted(vars(step).items()):
                if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
                    parts += [key.encode(), np.ascontiguousarray(value).tobytes()]
        return b"".join(parts)

    def _takes_objects(self) -> bool:
        """Return whether what goes in is no array of numbers: a table by its columns, or texts."""
        return any(_takes_objects(step) for _, step in self._before)

    def _transformed(self, step: Any, value: Any) -> Array:
        return _transformed(step, value, self._dtype())

    def _width(self, at: int) -> int:
        """Return how many features a step makes, by what was seen to go into those after it."""
        following = [*(step for _, step in self._before[at + 1 :]), self._model]
        known = (getattr(step, "n_features_in_", None) for step in following)
        return int(next(count for count in known if count is not None))

    def _features(self) -> int:
        """Return how many features a sample has, before any step."""
        first = self._before[0][1] if self._before else self._model
        return int(getattr(first, "n_features_in_", self._model.n_features_in_))

    def _dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = self._model.coefs_[0].dtype
        return dtype

    def _parameters(self) -> tuple[Parameter, ...]:
        return tuple(
            Parameter(key, a.values.shape, str(a.values.dtype), True, "int" in key, a.values.nbytes)
            for key, a in self.weights().items()
        )

    def _layers(self) -> list[tuple[Subject, Array, Array, Callable[[Array], Array]]]:
        model = self._model
        parameters = self._parameters()
        layers = []
        last = len(model.coefs_) - 1
        for i, (kernel, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
            activation = model.out_activation_ if i == last else model.activation
            subject = Subject(
                "output" if i == last else f"hidden_{i}",
                "Dense",
                layout="channels_last",
                settings={"activation": activation},
                parameters=parameters[2 * i : 2 * i + 2],
                kind="dense",
                activation=activation_name(activation),
            )
            layers.append((subject, kernel, bias, _ACTIVATIONS[activation]))
        return layers


def _takes_objects(step: Any) -> bool:
    """Return whether a step takes columns by name or kind, texts, or categories that are words."""
    if isinstance(step, Pipeline):
        return any(_takes_objects(inner) for _, inner in step.steps)
    if isinstance(step, FeatureUnion):
        return any(_takes_objects(inner) for _, inner in step.transformer_list)
    categories = getattr(step, "categories_", ())
    return (
        isinstance(step, ColumnTransformer)
        or hasattr(step, "build_analyzer")  # of texts
        or any(np.asarray(values).dtype.kind not in "biuf" for values in categories)
    )


def _written(x: Any) -> Array:
    """Return what was given as an array to be shown: of numbers, else each value as it is written.

    Texts are one feature.
    """
    array = np.asarray(x, dtype=object if isinstance(x, list | tuple) else None)
    array = array.reshape(len(array), -1)
    return array if array.dtype.kind in "biuf" else array.astype(str)


def _reads_texts(step: Any) -> bool:
    """Return whether what a step gets are texts, one for each sample."""
    if isinstance(step, Pipeline):
        return _reads_texts(step.steps[0][1])
    if isinstance(step, FeatureUnion):
        return any(_reads_texts(inner) for _, inner in step.transformer_list)
    return hasattr(step, "build_analyzer")


def _transformed(step: Any, value: Any, dtype: np.dtype[Any]) -> Array:
    if hasattr(value, "columns") and _reads_texts(step):  # it would take their names for texts
        raise InputError(
            f"x has the columns {', '.join(map(repr, map(str, value.columns[:_NAMED])))}, and the "
            f"step {type(step).__name__} takes texts: pass the column that holds them."
        )
    with warnings.catch_warnings():
        # Fitted on a table, it would like one again; the columns are in the order of the table.
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        try:
            result = step.transform(value)
        # What scikit-learn raises for a table without a column, a word that it does not know, …
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(_refused(step, error)) from error
    result = result.toarray() if hasattr(result, "toarray") else result
    return np.array(result, dtype=dtype)  # a copy: a step may return what it received


def _refused(step: Any, error: Exception) -> str:
    """Return what a step says of an input that it can't take, in one sentence."""
    words = str(error).partition("\n")[0].strip().rstrip(".")
    names = [repr(str(name)) for name in getattr(step, "feature_names_in_", ())]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    fitted = f" (it was fitted on {', '.join(names[:_NAMED])}{more})" if names else ""
    return f"The step {type(step).__name__} can't take what it gets: {words}{fitted}."
