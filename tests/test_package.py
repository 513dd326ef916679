"""What `import layerscope` offers, and what it costs."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import re
import subprocess
import sys

import pytest

import layerscope

INSTRUMENTS = {
    "Recorder", "ablate", "activations", "attribute", "compare", "describe", "edited", "examine",
    "features", "load_model", "open_recording", "receptive_field", "survey", "weights",
}  # fmt: skip
VIEWS = {
    "across",
    "card",
    "curves",
    "defaults",
    "diagram",
    "examples",
    "film",
    "histogram",
    "pages",
    "sheet",
    "timeline",
}
HOSTS = {"quiz", "report", "serve", "site"}
PUBLIC = INSTRUMENTS | VIEWS | HOSTS
#: The vocabulary of `features`, and what is raised, in modules of their own.
OBJECTIVES = {
    "Objective", "blur", "channel", "direction", "diversity", "function", "l1", "l2", "layer",
    "logit", "neuron", "probability", "similarity", "total_variation", "units",
}  # fmt: skip
TRANSFORMS = {"blur", "crop", "flip", "jitter", "noise", "pad", "rotate", "scale"}
ERRORS = {
    "AddressError", "InputError", "LayerscopeError", "MissingDependencyError", "ModelError",
    "OutputError", "ViewError",
}  # fmt: skip
MODULES = {"errors": ERRORS, "objectives": OBJECTIVES, "transforms": TRANSFORMS}
#: How many names `dir` may list, now and with all that is to come.
MOST = 32
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
    assert set(layerscope.__all__) == set(layerscope._HOME) == PUBLIC
    assert dir(layerscope) == sorted([*PUBLIC, *MODULES])
    assert len(dir(layerscope)) <= MOST


def test_the_docstring_shows_the_public_names_in_three_groups() -> None:
    """Each name under the heading of its group, in the drawing of the flow."""
    lines = str(layerscope.__doc__).split("::\n\n", 1)[1].split("\n\n")[0].splitlines()
    headings = ("instruments", "Recording", "views", "Panel", "hosts")
    starts = [lines[0].index(heading) for heading in headings]
    columns = [
        set(re.findall(r"\w+", " ".join(line[begin:end] for line in lines)))
        for begin, end in zip(starts, [*starts[1:], None], strict=True)
    ]
    of_group = dict(zip(headings, columns, strict=True))
    assert of_group["instruments"] - {"instruments"} == INSTRUMENTS
    assert of_group["views"] - {"views"} == VIEWS
    assert of_group["hosts"] >= HOSTS


def test_other_names_live_in_modules_of_their_own() -> None:
    for module, names in MODULES.items():
        assert {*getattr(layerscope, module).__all__} == names
    assert layerscope.transforms.blur is not layerscope.objectives.blur


@pytest.mark.parametrize("module", MODULES)
def test_the_package_says_in_which_module_a_name_is(module: str) -> None:
    for name in MODULES[module] - {"Objective"}:
        with pytest.raises(AttributeError, match=rf"'{name}': it is .*ls\.{module}\.{name}"):
            getattr(layerscope, name)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_a_documented_function(name: str) -> None:
    function = getattr(layerscope, name)
    assert callable(function)
    assert function.__name__ == name
    assert function.__doc__


def test_another_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'layerscope' has no attribute 'activation'"):
        layerscope.activation  # noqa: B018
    with pytest.raises(AttributeError, match=r"'fate': it is run\.fate\(\)\.picture\(\)"):
        layerscope.fate  # noqa: B018


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
