"""Data for a survey: what yields samples one by one, and the labels that come with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from layerscope.core.errors import InputError
from layerscope.inputs import Prepared, files_of
from layerscope.inputs.feeds import arrays_in
from layerscope.inputs.sources import Files, listed, readable


@dataclass(frozen=True, slots=True)
class Data:
    """What goes through the model, and how its samples are labelled."""

    x: Any  #: as :func:`activations` takes it
    has_own_batches: bool = False
    given: Sequence[Any] | Mapping[str, Any] | None = None  #: labels= as it was passed
    by_file: Mapping[int, str] = field(default_factory=dict)  #: of files, by their numbers
    names: Sequence[str] = ()  #: of labels that are numbers

    def labels_of(self, prepared: Prepared, begin: int, count: int) -> list[Any]:
        """Return the labels of a batch, None where a sample has none.

        Raises InputError where labels= does not reach so far.
        """
        if isinstance(self.given, Mapping):
            names = prepared.samples
            return [self.given.get(names[i]) if i < len(names) else None for i in range(count)]
        if self.given is not None:
            if begin + count > len(self.given):
                raise InputError(
                    f"labels= has {len(self.given):,} labels, and the data have more samples."
                )
            return list(self.given[begin : begin + count])
        if prepared.labels:
            return [self._named(label) for label in prepared.labels]
        if self.by_file and prepared.files:
            return [self.by_file.get(number) for number, _ in prepared.files]
        return [None] * count

    def _named(self, label: str | int) -> str | int:
        is_known = isinstance(label, int) and 0 <= label < len(self.names)
        return self.names[int(label)] if is_known else label


def data_of(x: Any, labels: Any, batch: int) -> Data:
    """Return data as a survey reads them; ``batch`` is how many single samples are put together.

    Raises InputError for labels that are none.
    """
    given = labels
    if given is not None and not isinstance(given, Mapping):
        if isinstance(given, str) or not hasattr(given, "__len__"):
            raise InputError(
                f"labels={labels!r}: pass one label for each sample, or a dict by their names."
            )
        given = [_plain(label) for label in given]
    folder = _labelled_folder(x)
    if folder is not None:
        files, by_file = folder
        return Data(files, given=given, by_file=by_file)
    if _yields_samples(x):
        names = _class_names(x)
        return Data(SampleLoader(x, batch), True, given, names=names)
    files_or_none = files_of(x) if isinstance(x, str | Path) else None
    has_batches = files_or_none is None and not hasattr(x, "shape") and _is_iterable(x)
    return Data(x, has_batches, given, names=_class_names(x))


def signature(x: Any, paths: Sequence[str], labels: Any) -> str:
    """Return what tells data from others, as far as can be seen without reading all of them.

    Of files their paths; of arrays their shapes, first and last samples; of a loader its type.
    """
    seen: list[Any] = [str(Path(path).absolute()) for path in paths]
    if isinstance(x, str) and not paths:
        seen.append(x)
    for array in () if paths else arrays_in(x):
        seen.append(tuple(array.shape))
        if len(array.shape):
            seen += [np.asarray(array[at]).tolist() for at in (slice(0, 1), slice(-1, None))]
    name = type(x).__name__ if not paths else f"{len(paths)} files"
    given = list(labels.items()) if isinstance(labels, Mapping) else labels
    digest = hashlib.sha256(repr((seen, given)).encode("utf-8", "surrogatepass"))
    return f"{name} {digest.hexdigest()[:16]}"


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _is_iterable(x: Any) -> bool:
    """Return whether x yields batches of its own: neither an array nor a list or dict of them."""
    if isinstance(x, str | Path | list | tuple | Mapping) or hasattr(x, "iloc"):
        return False
    return hasattr(x, "__iter__") or hasattr(x, "__getitem__")


def _labelled_folder(x: Any) -> tuple[Files, dict[int, str]] | None:
    """Return the files of a folder whose subfolders are labels, and the label of each file."""
    if not isinstance(x, str | Path) or not Path(x).is_dir():
        return None
    whole = Path(x)
    entries = sorted(path for path in whole.iterdir() if not path.name.startswith("."))
    if any(path.is_file() and path.suffix.lower() in readable() for path in entries):
        return None
    folders = [path for path in entries if path.is_dir() and _holds_files(path)]
    if not folders:
        return None
    files = listed([str(folder) for folder in folders])
    by_file = {
        number: Path(path).resolve().relative_to(whole.resolve()).parts[0]
        for number, path in enumerate(files.paths)
    }
    return files, by_file


def _holds_files(folder: Path) -> bool:
    return any(path.suffix.lower() in readable() for path in folder.iterdir() if path.is_file())


def _yields_samples(x: Any) -> bool:
    """Return whether x holds single samples: a Dataset of PyTorch, or of Hugging Face."""
    for base in type(x).__mro__:
        module = base.__module__
        if module == "torch.utils.data.dataset" and base.__name__ == "Dataset":
            return True
        if module.startswith("datasets.") and base.__name__ in ("Dataset", "IterableDataset"):
            return True
    return False


def _class_names(x: Any) -> tuple[str, ...]:
    """Return what a data set calls its labels, in order; nothing where it does not say."""
    classes = getattr(x, "classes", None) or getattr(getattr(x, "dataset", None), "classes", None)
    features = getattr(x, "features", None)
    if classes is None and isinstance(features, Mapping):
        for name in ("label", "labels"):
            classes = classes or getattr(features.get(name), "names", None)
    if isinstance(classes, list | tuple) and all(isinstance(name, str) for name in classes):
        return tuple(classes)
    return ()


class SampleLoader:
    """Batches of a data set that holds single samples: ``x``, ``(x, y)``, or a dict with both."""

    def __init__(self, samples: Any, batch: int) -> None:
        self.dataset = samples
        self._batch = batch

    def __iter__(self) -> Iterator[Any]:
        waiting: list[tuple[Any, Any]] = []
        for sample in self._samples():
            waiting.append(_input_and_label(sample))
            if len(waiting) == self._batch:
                yield _stacked(waiting)
                waiting = []
        if waiting:
            yield _stacked(waiting)

    def __len__(self) -> int:
        return -(-len(self.dataset) // self._batch)  # TypeError where it does not know

    def _samples(self) -> Iterator[Any]:
        if hasattr(self.dataset, "__getitem__") and hasattr(self.dataset, "__len__"):
            for number in range(len(self.dataset)):
                yield self.dataset[number]
        else:
            yield from self.dataset


#: What a data set calls the columns that are input, and that are labels.
_COLUMNS = ("image", "img", "pixel_values", "audio", "input_values", "input_ids", "x", "data")
_LABELS = ("label", "labels", "target", "y")


def column_of_inputs(columns: Iterable[str], wanted: Sequence[str] = ()) -> str:
    """Return the column that is input: one of those wanted, else by what such are called."""
    names = list(columns)
    return next((name for name in (*wanted, *_COLUMNS) if name in names), names[0])


def column_of_labels(columns: Iterable[str]) -> str | None:
    """Return the column that is labels; None where there is none."""
    return next((name for name in _LABELS if name in columns), None)


def is_ray_dataset(x: Any) -> bool:
    """Return whether x is a ``Dataset`` of Ray, which is not imported to ask."""
    return any(
        base.__module__.startswith("ray.data") and base.__name__ == "Dataset"
        for base in type(x).__mro__
    )


def _input_and_label(sample: Any) -> tuple[Any, Any]:
    if isinstance(sample, Mapping):
        label = column_of_labels(sample)
        return sample[column_of_inputs(sample)], None if label is None else sample[label]
    if isinstance(sample, tuple | list) and len(sample) == 2:
        return sample[0], sample[1]
    if isinstance(sample, tuple | list) and len(sample) == 1:
        return sample[0], None
    return sample, None


def _stacked(pairs: Sequence[tuple[Any, Any]]) -> Any:
    """Return samples as a batch, with their labels where all have one."""
    inputs = [_array(one) for one, _ in pairs]
    shapes = {array.shape for array in inputs}
    if len(shapes) > 1:
        raise InputError(
            f"The samples differ in shape, {' and '.join(sorted(map(str, shapes))[:2])}: resize "
            "them in the data set's transform."
        )
    x = np.stack(inputs)
    labels = [label for _, label in pairs]
    if any(label is None or np.ndim(label) > 1 for label in labels):
        return x
    return x, np.stack([np.asarray(label) for label in labels])


def _array(one: Any) -> Any:
    if hasattr(one, "mode") and hasattr(one, "convert"):  # a PIL image
        one = one if one.mode in ("L", "RGB", "RGBA") else one.convert("RGB")
        values = _floats(np.asarray(one))
        return values if values.ndim == 3 else values[..., None]
    if hasattr(one, "numpy"):
        return one.detach().cpu().numpy() if hasattr(one, "detach") else one.numpy()
    return np.asarray(one)


def _floats(values: Any) -> Any:
    """Return pixels from 0 to 1, as images of files come."""
    return values.astype(np.float32) / 255 if values.dtype == np.uint8 else values
