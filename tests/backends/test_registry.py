"""Backends and openers that other packages bring: looked up, broken, clashing."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from layerscope.backends import backend_for, registry
from layerscope.backends.opening import load_model
from layerscope.core.errors import ModelError

BACKEND = """
    class Backend:
        framework = "Toy 1.0"

        def __init__(self, model): self.model = model
        def describe(self): ...
        def inputs(self): ...
        def select(self, layers, executed=None): ...
        def run(self, x, selection): ...
        def weights(self): ...
        def digest(self): ...
"""


@pytest.fixture(autouse=True)
def _anew() -> Any:
    """Search for entry points in each test, and after the last one."""
    registry.forget()
    yield
    registry.forget()


class Installer:
    """Puts packages into a folder on ``sys.path``, as pip does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str, entry_points: str, **modules: str) -> None:
        info = self.folder / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(textwrap.dedent(entry_points))
        for module, code in modules.items():
            (self.folder / f"{module}.py").write_text(textwrap.dedent(code))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installer:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "modules", sys.modules.copy())  # forgets what a test imports
    return Installer(folder)


def model_of(module: str, *bases: type, name: str = "Net") -> Any:
    """A model whose class says that it lives in this module."""
    return type(name, bases, {"__module__": module})()


@pytest.mark.parametrize("module", ["toy", "toy.nn.layers"])
def test_the_package_of_the_class_tells_the_backend(install: Installer, module: str) -> None:
    install("layerscope-toy", "[layerscope.backends]\ntoy = toy_backend:Backend\n",
            toy_backend=BACKEND)  # fmt: skip
    base = type(model_of(module))
    for model in (base(), model_of("__main__", base)):
        backend = backend_for(model)
        assert backend.framework == "Toy 1.0"
        assert backend.model is model


def test_a_package_within_a_package_has_its_own(install: Installer) -> None:
    entry_points = """
        [layerscope.backends]
        toy = toy_old:Backend
        toy.new = toy_new:Backend
    """
    install("layerscope-toy", entry_points, toy_old=BACKEND,
            toy_new=BACKEND.replace("Toy 1.0", "Toy 2.0"))  # fmt: skip
    assert backend_for(model_of("toy.nn")).framework == "Toy 1.0"
    assert backend_for(model_of("toy.new.nn")).framework == "Toy 2.0"
    assert backend_for(model_of("toy.newer")).framework == "Toy 1.0"


def test_the_most_derived_class_decides(install: Installer) -> None:
    """Also where one further up belongs to a framework that layerscope knows itself."""
    install("layerscope-toy", "[layerscope.backends]\ntoy = toy_backend:Backend\n",
            toy_backend=BACKEND)  # fmt: skip
    base = type(model_of("sklearn.base"))
    assert backend_for(model_of("__main__", type(model_of("toy", base)))).framework == "Toy 1.0"
    # One of an older Keras has no backend, unless a package brings one.
    with pytest.raises(ModelError, match="Net belongs to tf_keras, the Keras before Keras 3"):
        backend_for(model_of("tf_keras.src"))
    install("layerscope-tf-keras", "[layerscope.backends]\ntf_keras = toy_backend:Backend\n")
    registry.forget()
    assert backend_for(model_of("tf_keras.src")).framework == "Toy 1.0"


def test_nothing_is_imported_that_was_not_asked_for(install: Installer) -> None:
    entry_points = """
        [layerscope.backends]
        toy = toy_backend:Backend
        other = other_backend:Backend
        [layerscope.openers]
        other = other_opener
    """
    broken = "raise RuntimeError('imported')"
    install("layerscope-toy", entry_points, toy_backend=BACKEND, other_backend=broken,
            other_opener=broken)  # fmt: skip
    backend_for(model_of("toy"))
    assert "other_backend" not in sys.modules
    with pytest.raises(ModelError, match=r"pass a Keras 3 model, .*, or a model of other or toy\."):
        backend_for(3)


def test_what_is_broken_says_so_and_takes_down_nothing_else(install: Installer) -> None:
    entry_points = """
        [layerscope.backends]
        toy = toy_backend:Backend
        absent = nowhere.to_be:Found
        wrong = broken_backend:Backend
        nameless = toy_backend:Nothing
        function = other_backend:function
        half = other_backend:Half
    """
    install("layerscope-toy", entry_points, toy_backend=BACKEND,
            broken_backend="raise RuntimeError('two\\nlines')",
            other_backend="""
                def function(model): ...
                class Half:
                    framework = "Half"
                    def describe(self): ...
                    def inputs(self): ...
                    def run(self, x, selection): ...
                    def digest(self): ...
            """)  # fmt: skip
    whose = r"layerscope-toy 1\.0 brings a backend for "
    for package, complaint in {
        "absent": r"nowhere\.to_be:Found, which can't be imported: ModuleNotFoundError: No module",
        "wrong": "broken_backend:Backend, which can't be imported: RuntimeError: two lines: mend",
        "nameless": "toy_backend:Nothing, which can't be imported: AttributeError: .*Nothing",
        "function": "other_backend:function, which is no class: mend or uninstall that package",
        "half": "other_backend:Half, which lacks select, weights: mend",
    }.items():
        with pytest.raises(ModelError, match=f"^{whose}{package}, {complaint}"):
            backend_for(model_of(package))
    assert backend_for(model_of("toy")).framework == "Toy 1.0"


def test_two_packages_for_one_framework_are_both_named(install: Installer) -> None:
    entry_points = "[layerscope.backends]\ntoy = toy_backend:Backend\n"
    install("layerscope-toy", entry_points, toy_backend=BACKEND)
    install("layerscope-toy-too", entry_points)  # the same class: no conflict
    assert backend_for(model_of("toy")).framework == "Toy 1.0"
    install("another", "[layerscope.backends]\ntoy = other:Backend\nfine = toy_backend:Backend\n")
    registry.forget()
    with pytest.raises(ModelError, match=r"bring a backend for toy each: uninstall all but one"):
        backend_for(model_of("toy"))
    assert backend_for(model_of("fine")).framework == "Toy 1.0"


def test_what_layerscope_has_itself_is_not_replaced(install: Installer) -> None:
    entry_points = """
        [layerscope.backends]
        sklearn = toy_backend:Backend
        sklearn.neural_network = toy_backend:Backend
        toy = toy_backend:Backend
        [layerscope.openers]
        onnx = toy_backend
    """
    install("layerscope-toy", entry_points, toy_backend=BACKEND)
    with pytest.warns(UserWarning) as warned:
        assert backend_for(model_of("toy")).framework == "Toy 1.0"
    assert [str(warning.message) for warning in warned] == [
        f"layerscope-toy 1.0 brings a backend for {name}, which layerscope has itself: it is not "
        "used."
        for name in ("sklearn", "sklearn.neural_network")
    ]


def test_a_package_whose_entry_points_are_damaged_is_left_out(install: Installer) -> None:
    install("layerscope-toy", "[layerscope.backends]\ntoy = toy_backend:Backend\n",
            toy_backend=BACKEND)  # fmt: skip
    install("strangers", "[console_scripts]\nrubbish\n")
    install("unreadable", "[layerscope.backends]\n")
    (install.folder / "unreadable-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe\xff")
    assert backend_for(model_of("toy")).framework == "Toy 1.0"
    install("damaged", "[layerscope.backends]\nrubbish\n")
    registry.forget()
    with pytest.warns(UserWarning, match=r"^The entry points of damaged 1\.0 can't be read: "):
        assert backend_for(model_of("toy")).framework == "Toy 1.0"


def test_one_that_is_installed_while_we_run_is_found(install: Installer) -> None:
    with pytest.raises(ModelError, match="can't look into a Net"):
        backend_for(model_of("toy"))
    install("layerscope-toy", "[layerscope.backends]\ntoy = toy_backend:Backend\n",
            toy_backend=BACKEND)  # fmt: skip
    assert backend_for(model_of("toy")).framework == "Toy 1.0"


def test_what_the_tables_answer_needs_no_search() -> None:
    """Nor does an import of layerscope, or of anything in it."""
    code = """
        import sys
        import layerscope.backends.registry as registry, layerscope.backends.opening
        registry._entry_points = lambda group: 1 / 0
        registry.BACKENDS["toy"] = "toy_backend:Backend"
        sys.modules["toy_backend"] = type(sys)("toy_backend")
        sys.modules["toy_backend"].Backend = lambda model: "looked up"
        model = type("Net", (), {"__module__": "toy.nn"})()
        assert layerscope.backends.backend_for(model) == "looked up"
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=120)


def test_every_row_of_the_tables_is_there() -> None:
    """As files: the frameworks themselves need not be installed."""
    folder = Path(registry.__file__).parents[2]
    for value in (*registry.BACKENDS.values(), *registry.OPENERS.values()):
        module, _, name = value.partition(":")
        source = (folder / module.replace(".", "/")).with_suffix(".py").read_text()
        assert (f"class {name}" if name else "def open_file(request: Request)") in source
