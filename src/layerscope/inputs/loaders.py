"""What yields batches: a DataLoader, a ``tf.data.Dataset``, a ``PyDataset``, a generator.

They are told by the names of their classes: importing a framework to ask would cost seconds.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs.arguments import is_data, is_packed, takes_anything
from layerscope.inputs.arrays import is_array, is_table
from layerscope.inputs.feeds import Prepared, first_samples, sample_count, samples_from

#: Classes of objects that yield batches: where their modules begin, and their names.
_KINDS = {
    ("torch.utils.data", "DataLoader"),
    ("tensorflow", "DatasetV2"),
    ("keras", "PyDataset"),
    ("keras", "Sequence"),
    ("tf_keras", "Sequence"),
}
_ENDLESS = (itertools.cycle, itertools.count, itertools.repeat)
_INFINITE = -1  #: what a tf.data.Dataset answers when it is asked for its length


def is_loader(x: Any, specs: Sequence[InputSpec]) -> bool:
    """Return whether x yields batches.

    Where a model takes any object, only what is known to do so, or is called a loader, is one.
    """
    if isinstance(x, str | bytes | list | tuple | set | Mapping | io.IOBase | type):
        return False
    if hasattr(x, "__next__") or _known(x) or _is_samples(x):
        return True
    if is_array(x) or is_table(x) or is_data(x) or is_packed(x):
        return False
    if not hasattr(x, "__iter__") and not (hasattr(x, "__getitem__") and hasattr(x, "__len__")):
        return False
    return not takes_anything(specs) or "loader" in type(x).__name__.lower()


def is_used_up(x: Any) -> bool:
    """Return whether x can be run through only once, as a generator can."""
    return hasattr(x, "__next__")


def takes_texts(specs: Sequence[InputSpec]) -> bool:
    """Return whether a model takes texts, or tables that may hold some."""
    return any(spec.dtype in ("string", "object") for spec in specs)


def as_texts(x: Any) -> Any:
    """Return a list of texts as an array of them, one a sample; anything else as it is."""
    texts = isinstance(x, list | tuple) and x and all(isinstance(item, str) for item in x)
    return np.array(x, dtype=object) if texts else x


class Loader:
    """The batches of something that yields them, up to ``limit`` samples.

    Of a batch ``(x, y)`` it is x; of a model with several inputs as many of its parts as there are
    inputs, and of a dict the parts that are inputs. ``fit`` makes each what the model accepts.

    Raises InputError when it never ends and there is no limit, or yields no batch.
    """

    unit = "batches"
    names: tuple[str, ...] = ()

    def __init__(
        self,
        loader: Any,
        specs: Sequence[InputSpec],
        fit: Callable[[Any], Prepared],
        limit: int | None,
    ) -> None:
        self.opened = 0
        self.notes: tuple[str, ...] = ()
        self._loader, self._specs, self._fit, self._limit = loader, specs, fit, limit
        self._first = 0  # samples in the first batch
        self._behind = 0  # samples to be left out at the beginning
        self.title = _title(loader)
        if _is_samples(loader):
            raise InputError(
                f"x is a {self.title}, which holds single samples: pass "
                "torch.utils.data.DataLoader(x, batch_size=32)."
            )
        if limit is None and _is_endless(loader):
            raise InputError(f"The {self.title} never ends: pass samples=, how many to take of it.")

    @property
    def count(self) -> int | None:
        """How many batches there are; None where only the end will tell."""
        whole = _length(self._loader)
        if self._limit is None or not self._first:
            return whole
        most = -(-self._limit // self._first)
        return most if whole is None else min(whole, most)

    def samples(self) -> int | None:
        """Return how many samples there are, by the first batch; None before it, or without end."""
        count = self.count
        if count is None or not self._first:
            return self._limit if count is None else None
        return count * self._first if self._limit is None else min(count * self._first, self._limit)

    def skip(self, samples: int, file: tuple[int, int]) -> None:
        """Begin behind so many samples; their batches are taken and left."""
        self._behind = samples

    def __iter__(self) -> Iterator[Prepared]:
        left = None if self._limit is None else self._limit - self._behind
        behind = self._behind
        for batch in _batches(self._loader):
            if left is not None and left <= 0:  # all of it was behind
                return
            value = _readable(self._input(batch))
            count = sample_count(value)
            labels = labels_of(batch, count)
            if behind:
                gone, behind = min(behind, count), max(0, behind - count)
                if gone == count:
                    continue
                value, labels = samples_from(value, gone), labels[gone:]
            if left is not None and sample_count(value) > left:
                value = first_samples(value, left)
            try:
                part = self._fit(value)
            except InputError as error:
                raise self._in_words(value, error) from error
            self.opened += 1
            self._first = self._first or sample_count(part.value)
            self.notes = self.notes or part.notes
            yield replace(part, notes=(), labels=labels[: sample_count(part.value)])
            if left is not None:
                left -= sample_count(part.value)
                if left <= 0:  # not a batch more than is needed
                    return
        if not self.opened and not self._behind:
            again = ": it can be run through only once" if is_used_up(self._loader) else ""
            raise InputError(f"The {self.title} yields no batch{again}.")

    def _input(self, batch: Any) -> Any:
        """Return what of a batch is input."""
        several = len(self._specs)
        if isinstance(batch, Mapping) and not is_table(batch):
            names = [spec.name for spec in self._specs]
            known = several > 0 and all(spec.certain for spec in self._specs)
            return {k: batch[k] for k in names} if known and set(names) <= set(batch) else batch
        if not isinstance(batch, list | tuple) or is_packed(batch) or not batch:
            return batch
        if not any(hasattr(item, "shape") or isinstance(item, Mapping | list | tuple)
                   for item in batch):  # fmt: skip
            return as_texts(batch) if takes_texts(self._specs) else batch
        first = batch[0]
        if several > 1 and len(batch) >= several and is_array(first):
            return tuple(batch[:several])
        return first

    def _in_words(self, value: Any, error: InputError) -> InputError:
        """Return what is wrong with a batch, in a sentence that says which."""
        shape = getattr(value, "shape", None)
        expected = self._specs[0].shape if len(self._specs) == 1 else None
        where = f"Batch {self.opened} of the {self.title}"
        if shape is not None and expected is not None and len(shape) == len(expected) - 1:
            return InputError(
                f"{where} has shape {tuple(shape)}, one sample's: it has to yield batches, with "
                "an axis of samples first, as dataset.batch(32) makes them."
            )
        return InputError(f"{where} does not fit: {error}")


def labels_of(batch: Any, count: int) -> tuple[str | int, ...]:
    """Return the labels of a batch ``(x, y)``, or of a dict that has some; none where it has none.

    They are whole numbers, texts, or one-hot rows.
    """
    if isinstance(batch, Mapping) and not is_table(batch):
        names = [name for name in ("label", "labels", "target", "y") if name in batch]
        labels = batch[names[0]] if names else None
    elif isinstance(batch, list | tuple) and len(batch) == 2 and not is_packed(batch):
        labels = batch[1]
    else:
        return ()
    if isinstance(labels, Mapping) or labels is None:
        return ()
    values = np.asarray(_readable(labels))
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    elif values.ndim == 2 and values.dtype.kind in "biuf" and len(values) == count:
        one_hot = (values.max(axis=1) == 1) & (values.sum(axis=1) == 1)
        values = values.argmax(axis=1) if one_hot.all() else values
    if values.ndim != 1 or len(values) != count:
        return ()
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.round(values))).all():
        return ()  # numbers to be predicted, no labels
    return tuple(str(v) if values.dtype.kind in "USO" else int(v) for v in values.tolist())


def _known(x: Any) -> bool:
    return any(
        base.__module__.startswith(module) and base.__name__ == name
        for base in type(x).__mro__
        for module, name in _KINDS
    )


def _is_samples(x: Any) -> bool:
    """Return whether x is a PyTorch data set, which holds samples and no batches."""
    bases = [base for base in type(x).__mro__ if base.__module__ == "torch.utils.data.dataset"]
    return any(base.__name__ == "Dataset" for base in bases)


def _title(x: Any) -> str:
    """Return what to call it."""
    name = type(x).__name__.lstrip("_")
    if _known(x) and name.endswith("Dataset") and type(x).__module__.startswith("tensorflow"):
        return "tf.data.Dataset"
    return name


def _is_endless(x: Any) -> bool:
    if isinstance(x, _ENDLESS):
        return True
    if hasattr(x, "cardinality"):
        return int(x.cardinality()) == _INFINITE
    return hasattr(x, "num_batches") and x.num_batches is None


def _length(x: Any) -> int | None:
    """Return how many batches it says it has."""
    if hasattr(x, "cardinality"):
        known = int(x.cardinality())
        return known if known >= 0 else None
    if hasattr(x, "num_batches"):
        return None if x.num_batches is None else int(x.num_batches)
    try:
        return len(x)
    except TypeError:  # a generator, or a loader that does not know
        return None


def _batches(loader: Any) -> Iterator[Any]:
    """Yield its batches; those of a Keras data set by their numbers, as it is read."""
    if hasattr(loader, "__iter__"):
        yield from loader
        return
    count = _length(loader)
    for number in itertools.count() if count is None else range(count):
        yield loader[number]


def _readable(value: Any) -> Any:
    """Return TensorFlow's tensors as the arrays that they hold: not every framework reads them."""
    if isinstance(value, Mapping) and not is_table(value):
        return {key: _readable(item) for key, item in value.items()}
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        return type(value)(_readable(item) for item in value)
    if type(value).__module__.startswith("tensorflow") and hasattr(value, "numpy"):
        array = value.numpy()
        return array if isinstance(array, np.ndarray) and array.dtype.kind in "biufc" else value
    return value
