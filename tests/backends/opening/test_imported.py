"""Models from names that can be imported."""

import sys

import pytest

from layerscope.backends.opening import load_model
from layerscope.backends.opening.imported import imported, named
from layerscope.core.errors import MissingDependencyError, ModelError

pytestmark = pytest.mark.one_backend


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with modules in it, which the shell stands in."""
    (tmp_path / "mynets.py").write_text(
        "import types\n"
        "def build(width=3, *, name='net'):\n"
        "    return types.SimpleNamespace(width=width, name=name)\n"
        "class Net:\n"
        "    pass\n"
        "model = build(7)\n"
        "holder = types.SimpleNamespace(build=build)\n"
        "def broken():\n"
        "    raise Exception('no network\\nhere')\n"
    )
    (tmp_path / "faulty.py").write_text("import a_package_nobody_has\n")
    (tmp_path / "raising.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    yield tmp_path
    for name in ("mynets", "faulty", "raising"):
        sys.modules.pop(name, None)


def test_an_importable_name_is_a_model_or_gives_one(here):
    assert load_model("mynets:model").width == 7
    assert load_model("mynets:build").width == 3
    assert load_model("mynets:build()").width == 3
    assert load_model("mynets:build(5)").width == 5
    assert load_model("mynets:build(width=(2, None), name='a:b')").name == "a:b"
    assert load_model("mynets:holder.build(2)").width == 2
    assert type(load_model("mynets:Net")).__name__ == "Net"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mynets:biuld", "'mynets' has no 'biuld': did you mean 'build'?"),
        ("mynet:build", "There is no module 'mynet' to import: did you mean 'mynets'?"),
        ("mynets.deeper:build", "There is no module 'mynets.deeper' to import."),
        ("mynets:", "'mynets:' can't be read: write package.module:name(arg=value)."),
        ("mynets:a b", "'mynets:a b' can't be read: write package.module:name(arg=value)."),
        ("mynets:build + 1", "can't be read: write package.module:name(arg=value)."),
        ("mynets:build(width=open('x'))", "only literal arguments are read, such as 3, 'a', None"),
        ("mynets:build(**{'width': 1})", "write the arguments out, without **."),
        ("mynets:build(depth=1)", "can't be called so: got an unexpected keyword argument 'depth'"),
        ("mynets:broken", "mynets:broken raised Exception: no network here"),
        ("mynets:types", "mynets:types is a module, not a model or a function."),
        ("raising:build", "'raising' can't be imported: ZeroDivisionError: division by zero"),
        ("mynets", "There is no file 'mynets': did you mean 'mynets.py'?"),
        ("nothing", "There is no file 'nothing': what opens is a file of Keras"),
    ],
)
def test_a_name_that_gives_no_model(here, spec, message):
    with pytest.raises(ModelError) as caught:
        load_model(spec)
    assert message in str(caught.value)


def test_a_module_that_needs_what_is_not_installed(here):
    with pytest.raises(MissingDependencyError, match="'faulty' needs the module 'a_package_nobody"):
        load_model("faulty:build")


@pytest.mark.parametrize(
    "name", ["mynets:model", "mynets:build(5)", "os:mkdir('made')", "a:b", "mynets:", ":model"]
)
def test_a_file_that_is_there_is_a_file_whatever_its_name(here, name):
    (here / name).write_bytes(b"x")
    with pytest.raises(ModelError, match=r"is no known kind of model file: what opens is"):
        load_model(name)
    for look in (imported, named):
        with pytest.raises(ModelError, match="is a file, and its name is not imported: move it"):
            look(name)
    assert "mynets" not in sys.modules
    assert not (here / "made").exists()


def test_a_name_that_is_too_long_for_a_file_can_be_imported(here):
    long = "x" * 5000
    assert load_model(f"mynets:build(name='{long}')").name == long
    with pytest.raises(ModelError, match="There is no file"):
        load_model(long)
