"""Backends and openers that other packages bring: looked up, broken, clashing."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from layerscope.backends import backend_for, registry
from layerscope.backends.opening import load_model
from layerscope.core.errors import MissingDependencyError, ModelError
from layerscope.instruments.record.checkpoint_names import read_name

pytestmark = pytest.mark.one_backend

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
def _anew() -> Iterator[None]:
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
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield Installer(folder)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(folder)):
            del sys.modules[name]


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
    with pytest.warns(UserWarning, match="it is not used") as warned:
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


OPENER = """
    def open_file(request):
        if request.path.read_bytes().endswith(b"!"):
            raise KeyError("no weights")
        return [request]
"""
SNIFFING = (
    OPENER
    + """
    def sniff(start):
        return start.startswith(b"TOY")
"""
)


@pytest.mark.parametrize("suffix", ["toy", ".toy"])
def test_a_suffix_tells_the_opener(install: Installer, tmp_path: Path, suffix: str) -> None:
    install("layerscope-toy", f"[layerscope.openers]\n{suffix} = toy_opener\n", toy_opener=OPENER)
    path = tmp_path / "model.Toy"
    path.write_bytes(b"x")
    (request,) = load_model(path, architecture="nets:Net", trust=True, imports=["a"])
    assert (request.path, request.architecture, request.trust) == (path, "nets:Net", True)
    assert request.imports == ("a",)
    path.write_bytes(b"x!")
    message = r"model\.Toy' can't be opened by layerscope-toy 1\.0: KeyError: 'no weights'\.$"
    with pytest.raises(ModelError, match=message):
        load_model(path)
    other = tmp_path / "model.other"
    other.write_bytes(b"x")
    with pytest.raises(ModelError, match=r"what opens is .*; and \.toy \(layerscope-toy 1\.0\)\.$"):
        load_model(other)


def test_a_plugin_that_ends_the_process_is_a_sentence(install: Installer, tmp_path: Path) -> None:
    entry_points = """
        [layerscope.openers]
        a = ending_sniffer
        toy = ending_opener
        other = ending_module
    """
    install("layerscope-toy", entry_points, ending_module="raise SystemExit(3)",
            ending_sniffer="def sniff(start): raise SystemExit(0)",
            ending_opener="def open_file(request): raise SystemExit(0)")  # fmt: skip
    for suffix, message in (
        ("toy", r"can't be opened by layerscope-toy 1\.0: SystemExit"),
        ("other", r"layerscope-toy 1\.0 brings .* can't be imported: SystemExit"),
        ("bytes", "is no known kind of model file"),
    ):
        path = tmp_path / f"model.{suffix}"
        path.write_bytes(b"x")
        with pytest.raises(ModelError, match=message):
            load_model(path)


def test_a_file_whose_suffix_nobody_knows_is_known_by_its_first_bytes(
    install: Installer, tmp_path: Path
) -> None:
    entry_points = """
        [layerscope.openers]
        a = broken_opener
        b = silent_opener
        c = raising_opener
        toy = toy_opener
        toy2 = toy_opener
    """
    install("layerscope-toy", entry_points, broken_opener="import nothing_like_it",
            silent_opener=OPENER, toy_opener=SNIFFING,
            raising_opener=SNIFFING.replace("return start", "raise ValueError(start)"))  # fmt: skip
    path = tmp_path / "model.bytes"
    path.write_bytes(b"TOY1")
    (request,) = load_model(path)
    assert request.path == path
    path.write_bytes(b"NO TOY")
    with pytest.raises(ModelError, match="is no known kind of model file"):
        load_model(path)
    # A suffix of layerscope's own is what it says.
    path = path.rename(tmp_path / "model.onnx")
    path.write_bytes(b"TOY1")
    with pytest.raises((ModelError, MissingDependencyError), match=r"no ONNX file|onnx is not in"):
        load_model(path)


def test_of_two_openers_for_a_suffix_the_first_bytes_decide(
    install: Installer, tmp_path: Path
) -> None:
    install("layerscope-toy", "[layerscope.openers]\ntoy = toy_opener\n", toy_opener=SNIFFING)
    install(
        "another",
        "[layerscope.openers]\ntoy = other_opener\n",
        other_opener=SNIFFING.replace("TOY", "OTHER").replace("[request]", "'another'"),
    )
    path = tmp_path / "model.toy"
    path.write_bytes(b"OTHER")
    assert load_model(path) == "another"
    path.write_bytes(b"TOY")
    assert load_model(path) != "another"
    path.write_bytes(b"neither")
    with pytest.raises(ModelError) as caught:
        load_model(path)
    assert "another 1.0" in str(caught.value)
    assert "layerscope-toy 1.0" in str(caught.value)
    assert str(caught.value).endswith("model.toy': uninstall all but one of them.")


def test_an_opener_that_is_none_says_so(install: Installer, tmp_path: Path) -> None:
    entry_points = """
        [layerscope.openers]
        none = empty_opener
        nothing = returning_none
    """
    install("layerscope-toy", entry_points, empty_opener="",
            returning_none="def open_file(request): ...")  # fmt: skip
    for suffix, message in {
        "none": r"an opener of \.none, empty_opener, which has no open_file\(request\): mend or",
        "nothing": r"of \.nothing, returning_none, which returned no model for '.*': mend or",
    }.items():
        path = tmp_path / f"model.{suffix}"
        path.write_bytes(b"x")
        with pytest.raises(ModelError, match=message):
            load_model(path)


def test_the_digits_of_a_suffix_number_no_checkpoint(install: Installer) -> None:
    install("layerscope-toy", "[layerscope.openers]\ntoy9 = toy_opener\n", toy_opener=OPENER)
    assert read_name("net-03.toy9").number == 3
    assert read_name("net-03.weights.H5").number == 3


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
