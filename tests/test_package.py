"""What `import layerscope` offers, and what it costs."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import subprocess
import sys

import pytest

import layerscope

PUBLIC = {
    "Recorder", "across", "activations", "curves", "describe", "diagram", "export", "features",
    "film", "load_model", "open_recording", "pages", "sheet", "timeline", "weights",
}  # fmt: skip
#: The vocabulary of `features`, which `from layerscope import *` leaves alone.
OBJECTIVES = {
    "blur", "channel", "direction", "diversity", "function", "l1", "l2", "layer", "logit", "neuron",
    "probability", "similarity", "total_variation", "units",
}  # fmt: skip
MODULES = {"objectives", "transforms"}
FRAMEWORKS = {"jax", "keras", "onnx", "onnxruntime", "sklearn", "tensorflow", "torch"}
WHEN_USED = {
    "PIL", "dask", "fast_sugiyama", "matplotlib", "numpy", "pandas", "scipy", "wcwidth",
    "xarray", "zarr",
}  # fmt: skip


def imported_by(code: str) -> set[str]:
    """The top-level packages in memory of a new process that has run this code."""
    listing = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{listing}"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return set(done.stdout.split())


def test_the_public_names_are_few_and_these() -> None:
    assert set(layerscope.__all__) == PUBLIC
    assert len(PUBLIC) <= 15
    assert dir(layerscope) == sorted([*PUBLIC, *OBJECTIVES, *MODULES, "__version__"])


def test_the_words_of_features_live_in_two_modules() -> None:
    assert {*layerscope.objectives.__all__} == {*OBJECTIVES, "Objective"}
    assert layerscope.channel is layerscope.objectives.channel
    assert layerscope.transforms.blur is not layerscope.objectives.blur


@pytest.mark.parametrize("name", sorted(PUBLIC | OBJECTIVES))
def test_every_public_name_is_a_documented_function(name: str) -> None:
    function = getattr(layerscope, name)
    assert callable(function)
    assert function.__name__ == name
    assert function.__doc__


def test_another_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'layerscope' has no attribute 'activation'"):
        layerscope.activation  # noqa: B018


def test_importing_layerscope_imports_nothing_else() -> None:
    assert not imported_by("import layerscope") & (FRAMEWORKS | WHEN_USED)


def test_no_public_name_brings_in_a_framework() -> None:
    """A recording opens and draws where no framework is installed."""
    assert not imported_by("from layerscope import *") & FRAMEWORKS


def test_the_shell_brings_in_a_framework_only_for_a_model() -> None:
    code = "from layerscope.interfaces.cli import main\nassert main(['--version']) == 0"
    assert not imported_by(code) & (FRAMEWORKS | WHEN_USED)


def test_the_installed_package_is_this_version_and_is_typed() -> None:
    assert importlib.metadata.version("layerscope") == layerscope.__version__
    assert (importlib.resources.files("layerscope") / "py.typed").is_file()
