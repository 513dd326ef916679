"""What the user passes as input, made into what the network accepts.

::

    array, DataFrame, tensor ──► arrays: checked against the network's own shape, never scaled
    .npy, .npz               ──► array_files ──┘
    .wav, .csv, .tsv         ──► number_files: arranged as the model has positions and channels
    image file, PIL image    ──► images: channels, size and range of values as the network has them
    "noise", "zeros"         ──► named: in the network's own shape
    folder, glob, long list  ──► sources ──► batches: of these, one after another
    DataLoader, generator …  ──► loaders: batches that somebody else makes
    array with a batch size  ──► feeds: parts of it
    flag, number, None, object ► arguments: handed on as it is, where a model may take others

Whatever was done to it is said, in sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.core.table import shape_text
from layerscope.inputs.arguments import are_several, arguments, is_data, is_packed, takes_anything
from layerscope.inputs.array_files import array_file, load_members, members
from layerscope.inputs.arrays import is_array, is_numbers, is_table
from layerscope.inputs.batches import Batches
from layerscope.inputs.feeds import Feed, Prepared, Slices, can_be_cut, check_size, sample_count
from layerscope.inputs.fitting import fit
from layerscope.inputs.images import is_image
from layerscope.inputs.loaders import Loader, as_texts, is_loader, is_used_up, takes_texts
from layerscope.inputs.memory import free_memory
from layerscope.inputs.named import is_named
from layerscope.inputs.number_files import is_number_file
from layerscope.inputs.settings import Fitted, InputRange, InputSettings
from layerscope.inputs.sources import CHUNK, Files, files_of, listed
from layerscope.inputs.tables import frame_of, is_table_file

__all__ = [
    "Batches",
    "Feed",
    "Files",
    "InputRange",
    "InputSettings",
    "Prepared",
    "batches",
    "feed_of",
    "files_of",
    "free_memory",
    "is_used_up",
    "listed",
    "prepare",
    "sample_count",
]

#: For a value that no specification belongs to: its shape is not checked, whole numbers stay whole.
_ANY = InputSpec("x", certain=False)


def prepare(
    x: Any,
    specs: Sequence[InputSpec],
    settings: InputSettings | None = None,
    **options: Any,
) -> Prepared:
    """Make what was passed into what the model's inputs accept.

    Parameters
    ----------
    x
        An array or DataFrame in the framework's own layout, a batch; a tensor of any framework; an
        image file, a ``.npy`` or ``.npz`` file or a PIL image; ``"noise"`` or ``"zeros"``; a list
        of images, which is a batch; a list, tuple or dict for a model with several inputs.
    specs
        What the model expects; empty where it does not say, then nothing is checked.
    settings
        How images are brought to what the model expects; or its fields by name:

        - ``input_range``: the range that images are scaled to, or ``"raw"`` for the pixel values
          as they are. Arrays are taken as they are.
        - ``resize``: how an image gets the model's size: ``"stretch"`` the whole image, ``"crop"``
          its centre to the right aspect, ``"pad"`` it with black.
        - ``size``: height and width for a model that takes any.
        - ``preprocess``: a function of a batch of images, 0 to 255, in the model's own layout.

    Raises
    ------
    InputError
        When something can't be read, or does not fit; the message says what would.
    """
    settings = InputSettings(**options) if settings is None else settings
    if x is None:
        raise InputError("x is None: pass an array, an image file or a PIL image.")
    if len(specs) == 1 and specs[0].dtype == "object":
        return _as_given(x, specs[0])
    x = _by_input(x, specs)
    anything = takes_anything(specs)
    if anything and are_several(x):
        return _prepared(*arguments(x, specs, settings))
    if not anything and _is_several(x, specs):
        return _several(x, specs, settings)
    if len(specs) > 1:
        raise InputError(
            f"The model has {len(specs)} inputs, {_listed(specs)}, and x is one "
            f"{type(x).__name__}: pass a list of {len(specs)}, or a dict by name."
        )
    if anything and not isinstance(x, str | list | tuple) and not is_data(x):
        return Prepared(x)
    if anything and is_packed(x):  # a tuple by its class, and one argument
        return Prepared([x])
    one = fit(x, specs[0] if specs else _ANY, "x", settings)
    notes = one.notes
    if settings.preprocess is not None and not one.pixels:
        notes += ("preprocess= is for images: x was taken as it is",)
    return Prepared(one.value, notes, one.samples, one.pixels)


def feed_of(
    x: Any,
    specs: Sequence[InputSpec],
    settings: InputSettings,
    *,
    batch_size: int | None = None,
    samples: int | None = None,
    chunk: Callable[[], int] = lambda: CHUNK,
) -> Feed | None:
    """Return what comes some at a time: files, batches, parts; None where x is a batch by itself.

    ``batch_size`` and ``samples`` are those of :func:`layerscope.activations`; ``chunk`` tells how
    many samples of files are run at once where neither does.

    Raises InputError when they do not go together, or when there is nothing in it.
    """
    check_size(batch_size, samples)
    fitted = lambda part: prepare(part, specs, settings)  # noqa: E731
    if (batch_size is not None or samples is not None) and takes_texts(specs):
        x = as_texts(x)
    if is_loader(x, specs):
        loader = Loader(x, specs, fitted, samples)
        if batch_size is not None:
            raise InputError(
                f"batch_size={batch_size}: the batches of a {loader.title} are its own; leave "
                "batch_size out."
            )
        return loader
    files = None
    if not takes_texts(specs) and not (
        len(specs) > 1 and isinstance(x, list | tuple)  # one file for each input
    ):
        files = files_of(x)
        if (
            files is None
            and batch_size is not None
            and len(specs) < 2
            and (array_file(x) or is_number_file(x))
        ):
            files = listed([x], strict=True)
    if files is not None:
        return batches(files, specs, settings, chunk=batch_size or chunk(), limit=samples)
    if batch_size is None and samples is None:
        return None
    if not can_be_cut(x):  # images, names: they are not many
        whole = prepare(x, specs, settings)
        return Slices(whole.value, lambda part: replace(whole, value=part), batch_size, samples)
    return Slices(x, fitted, batch_size, samples)


def batches(
    files: Files,
    specs: Sequence[InputSpec],
    settings: InputSettings | None = None,
    *,
    chunk: int = CHUNK,
    limit: int | None = None,
    **options: Any,
) -> Batches:
    """Return the samples in files, some at a time, for a model with one input.

    ``settings`` and ``options`` are those of :func:`prepare`; ``chunk`` is how many samples a batch
    has at most, ``limit`` how many there are in all. Raises InputError for a model with several
    inputs.
    """
    if len(specs) > 1:
        raise InputError(
            f"The model has {len(specs)} inputs, {_listed(specs)}: files are a batch for a model "
            "with one input; pass one file for each."
        )
    settings = InputSettings(**options) if settings is None else settings
    return Batches(files, specs[0] if specs else _ANY, settings, chunk, limit)


def _as_given(x: Any, spec: InputSpec) -> Prepared:
    """Return what a model takes as it is: a table or an array of samples, or a list of texts.

    Raises InputError for anything else.
    """
    if is_table_file(x):
        frame, note = frame_of(x)
        if spec.values or len(frame.columns) != 1:
            return Prepared(frame, (note,))
        return Prepared(list(map(str, frame.iloc[:, 0])), (note,))  # fitted on texts
    texts = isinstance(x, list | tuple) and x and all(isinstance(item, str) for item in x)
    series = hasattr(x, "to_numpy") and not is_table(x)  # a column, of texts
    if texts or series or is_table(x) or is_array(x) or hasattr(x, "toarray"):
        return Prepared(x)
    raise InputError(
        f"x is a {type(x).__name__}: the model takes a DataFrame with the columns that it was "
        "fitted on, or, where it was fitted on texts, a list of texts; either may be a .csv file."
    )


def _prepared(value: Any, fitted: Sequence[Fitted]) -> Prepared:
    """Return several inputs, with what was done to each."""
    notes = tuple(note for one in fitted for note in one.notes)
    named = {one.samples for one in fitted if one.samples}
    # Samples are called after their files where it is one file for each, and no other.
    return Prepared(value, notes, named.pop() if len(named) == 1 else ())


def _by_input(x: Any, specs: Sequence[InputSpec]) -> Any:
    """Return, for a model with several inputs, what a single name or file holds for each."""
    if len(specs) < 2:
        return x
    if is_named(x):
        return {spec.name: x for spec in specs}
    file = array_file(x)
    if file is None or file.member is not None or not file.is_archive:
        return x
    names = members(file.path)
    wanted = [spec.name for spec in specs]
    if set(wanted) <= set(names):
        return load_members(file.path, wanted)
    if len(names) == len(specs) and names == [f"arr_{i}" for i in range(len(names))]:
        return list(load_members(file.path, names).values())  # saved without names: in order
    raise InputError(
        f"The model has {len(specs)} inputs, {_listed(specs)}; {str(file.path)!r} holds "
        f"{', '.join(map(repr, names))}: save the arrays by the names of the inputs."
    )


def _is_several(x: Any, specs: Sequence[InputSpec]) -> bool:
    """Return whether x is one value per input, rather than one value or a batch of images."""
    if isinstance(x, Mapping):
        return not is_table(x)
    if not isinstance(x, list | tuple):
        return False
    if len(specs) > 1:
        return True
    if is_numbers(x):
        return False
    if isinstance(x, tuple):
        return True
    if specs and specs[0].dtype == "string" and all(isinstance(item, str) for item in x):
        return False
    if any(is_image(item, specs[0].dtype if specs else "float32") for item in x):
        return False
    if not specs or specs[0].shape is None:
        return True
    # A list for one input: ``[batch]`` as Keras allows, or single samples to be stacked.
    return any(not is_array(i) or len(i.shape) >= len(specs[0].shape) for i in x)


def _several(x: Any, specs: Sequence[InputSpec], settings: InputSettings) -> Prepared:
    pairs = _paired(x, specs)
    fitted: list[Fitted] = []

    def build(item: Any, top: bool = False) -> Any:
        if item is None:  # an optional input
            return None
        if isinstance(item, Mapping) and not is_table(item):
            return {key: build(value) for key, value in item.items()}
        if isinstance(item, list | tuple) and (top or not is_numbers(item)):
            parts = [build(value) for value in item]
            if hasattr(item, "_fields"):  # a NamedTuple
                return type(item)(*parts)
            return tuple(parts) if isinstance(item, tuple) else parts
        label, spec = next(pairs)
        fitted.append(fit(item, spec, label, settings))
        return fitted[-1].value

    return _prepared(build(x, top=True), fitted)


def _paired(x: Any, specs: Sequence[InputSpec]) -> Iterator[tuple[str, InputSpec]]:
    """Return a label and a specification for each value in x, in the order of a walk."""
    if isinstance(x, Mapping):
        by_name = {spec.name: spec for spec in specs}
        unknown = [key for key in x if key not in by_name]
        if len(specs) > 1 and len(unknown) == len(x):
            raise InputError(
                f"The model has {len(specs)} inputs, {_listed(specs)}; x has "
                f"{', '.join(map(repr, x))}: none of these names is one of its inputs."
            )
        return iter(
            (f"Input {key!r}", by_name.get(key, _ANY))
            for key, value in x.items()
            for _ in range(_leaves(value))
        )
    count = sum(map(_leaves, x))
    stated = [spec for spec in specs if spec.shape is not None and spec.certain]
    if stated and count != len(specs) and len(stated) == len(specs):
        inputs = "1 input" if len(specs) == 1 else f"{len(specs)} inputs"
        raise InputError(
            f"The model has {inputs}, {_listed(specs)}, and x is a {type(x).__name__} of {count}."
        )
    if count != len(specs):
        return iter((f"Input {i}", _ANY) for i in range(count))
    return iter((f"Input {spec.name!r}", spec) for spec in specs)


def _leaves(x: Any) -> int:
    if x is None:
        return 0
    if isinstance(x, Mapping) and not is_table(x):
        return sum(map(_leaves, x.values()))
    if isinstance(x, list | tuple) and not is_numbers(x):
        return sum(map(_leaves, x))
    return 1


def _listed(specs: Sequence[InputSpec]) -> str:
    return ", ".join(f"{spec.name!r} {shape_text(spec.shape)}" for spec in specs)
