"""scikit-learn: ``.skops``, which names what it holds, and pickles, which have to be trusted."""

from __future__ import annotations

import itertools
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from layerscope.backends.availability import needs
from layerscope.backends.opening.files import Request, check_archive, start_of
from layerscope.backends.opening.imported import import_module, look_here
from layerscope.backends.origin import remember
from layerscope.core.errors import LayerscopeError, MissingDependencyError, ModelError
from layerscope.core.files import check_array, most_unpacked
from layerscope.core.foreign_errors import first_sentence
from layerscope.core.network import Origin

#: Of scikit-learn's own classes, those that a perceptron holds and skops does not know as safe.
_SAFE = frozenset({
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
})  # fmt: skip


def open_file(request: Request) -> Any:
    """Return the estimator in a ``.skops``, ``.pkl``, ``.pickle`` or ``.joblib`` file.

    Raises
    ------
    ModelError
        When it is damaged, holds no estimator, or holds what has to be trusted and is not.
    MissingDependencyError
        When a package is not installed that the file or its format needs.
    """
    path = request.path
    is_skops = path.suffix.lower() == ".skops"
    start_of(path)
    if is_skops:
        check_archive(path, ".skops file")
    elif not request.trust:
        raise ModelError(
            f"{str(path)!r} is a pickle, and a pickle can run any code when it is opened: pass "
            "--trust if you made this file yourself."
        )
    needs("sklearn")
    needs("skops" if is_skops else "joblib")
    for name in request.imports:
        import_module(name)
    if request.trust:
        look_here()  # for the classes that it names
    read = (lambda: _skops(path, request.trust)) if is_skops else (lambda: _pickle(path))
    model, versions = _read(path, "a .skops file" if is_skops else "a pickle", read)
    import sklearn
    from sklearn.base import BaseEstimator

    if not isinstance(model, BaseEstimator):
        raise ModelError(
            f"{str(path)!r} holds a {type(model).__name__}, no estimator of scikit-learn."
        )
    _check_shapes(model, path)
    here = sklearn.__version__
    repairs = [
        f"saved by scikit-learn {was}, opened with {here}: its numbers may differ from then"
        for was in versions
    ]
    repairs += _completed(model)
    saved_by = versions[0] if versions else str(getattr(model, "_sklearn_version", here))
    kind = "skops" if is_skops else "pickle"
    origin = Origin(str(path), kind, f"scikit-learn {saved_by}", tuple(repairs))
    return remember(model, origin)


def _read(path: Path, kind: str, read: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Return what the file holds, and the other versions of scikit-learn that wrote it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = read()
        except LayerscopeError:
            raise
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                f"{str(path)!r} needs the module {error.name!r}, which is not installed."
            ) from error
        # A damaged file may raise anything: its bytes say which functions are called.
        except Exception as error:
            reason = first_sentence(str(error)) if str(error).strip() else type(error).__name__
            raise ModelError(f"{str(path)!r} can't be opened as {kind}: {reason}.") from error
    versions = [getattr(warning.message, "original_sklearn_version", None) for warning in caught]
    return model, list(dict.fromkeys(str(version) for version in versions if version))


def _pickle(path: Path) -> Any:
    import joblib

    return joblib.load(path)  # reads what pickle wrote, too


def _check_arrays(archive: zipfile.ZipFile, most: int) -> None:
    """Raise ValueError where an array in it promises more than it holds: NumPy would believe it."""
    for member in archive.infolist():
        with archive.open(member) as stream:
            if member.filename.endswith(".npy"):
                check_array(stream, member.file_size)
            elif member.filename.endswith(".npz"):  # of a sparse matrix
                with zipfile.ZipFile(stream) as inner:
                    unpacked = sum(one.file_size for one in inner.infolist())
                    if unpacked > most:
                        raise ValueError(
                            f"{member.filename} in it would unpack to {unpacked:,} bytes"
                        )
                    _check_arrays(inner, most)


def _skops(path: Path, trust: bool) -> Any:
    import skops.io

    with zipfile.ZipFile(path) as archive:
        _check_arrays(archive, most_unpacked(path.stat().st_size))
    unknown = skops.io.get_untrusted_types(file=path)
    others = sorted(set(unknown) - _SAFE)
    if others and not trust:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise ModelError(
            f"{str(path)!r} holds types that are not known to be safe ({', '.join(others[:3])}"
            f"{more}): pass --trust if you made this file yourself."
        )
    return skops.io.load(path, trusted=unknown)


def _check_shapes(model: Any, path: Path) -> None:
    """Raise ModelError where a perceptron's coefficients do not follow on each other."""
    last = [step for _, step in getattr(model, "steps", [])][-1:] or [model]
    if not hasattr(last[0], "coefs_"):
        return
    try:
        kernels = [np.shape(kernel) for kernel in last[0].coefs_]
        biases = [np.shape(bias) for bias in last[0].intercepts_]
        fits = bool(kernels) and all(len(shape) == 2 for shape in kernels)
        fits = fits and [(shape[1],) for shape in kernels] == biases
        fits = fits and all(a[1] == b[0] for a, b in itertools.pairwise(kernels))
    except (AttributeError, TypeError, ValueError):  # there are none, or they are no arrays
        fits = False
    if not fits:
        raise ModelError(
            f"{str(path)!r} is damaged: the coefficients of its {type(last[0]).__name__} do not "
            "fit each other."
        )


def _completed(model: Any) -> list[str]:
    """Give estimators from long ago what today's have; what was done, in words."""
    steps = [step for _, step in getattr(model, "steps", [])] or [model]
    coefficients = getattr(steps[-1], "coefs_", None)
    if not coefficients or hasattr(steps[-1], "n_features_in_"):
        return []
    steps[-1].n_features_in_ = int(coefficients[0].shape[0])
    return [f"the number of features ({steps[-1].n_features_in_}) was read off the coefficients"]
