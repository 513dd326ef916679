"""A backend that lives outside of layerscope, ``examples/layerscope-equinox``, works in all of it.

It is installed into a folder on ``sys.path``, as pip does it, without pip: what tells layerscope of
it is its list of entry points, which is that of its ``pyproject.toml``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

eqx = pytest.importorskip("equinox")
import jax

import layerscope as ls
from layerscope.backends import registry
from layerscope.core.errors import ModelError
from layerscope.interfaces.cli import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "layerscope-equinox"
NETWORKS = """
import equinox as eqx
import jax


def digits():
    first, second = jax.random.split(jax.random.key(0))
    return eqx.nn.Sequential([
        eqx.nn.Conv2d(1, 4, 3, key=first),
        eqx.nn.Lambda(jax.nn.relu),
        eqx.nn.MaxPool2d(2, 2),
        eqx.nn.Lambda(jax.numpy.ravel),
        eqx.nn.Linear(4 * 3 * 3, 10, key=second),
    ])
"""
ADDRESSES = [f"layers.{i}" for i in range(5)]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The folder that the example was installed into."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    info = tmp_path / "site-packages" / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (info.parent / "layerscope_equinox").symlink_to(EXAMPLE / "src" / "layerscope_equinox")
    return info.parent


@pytest.fixture
def plugin(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """The example, installed in this process, in a folder with a network of its own."""
    monkeypatch.syspath_prepend(str(installed))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "networks.py").write_text(NETWORKS)
    namespace: dict[str, Any] = {}
    exec(NETWORKS, namespace)
    registry.forget()
    yield namespace
    registry.forget()
    for name in [
        n for n in sys.modules if n.partition(".")[0] in ("layerscope_equinox", "networks")
    ]:
        del sys.modules[name]


def test_without_it_layerscope_has_no_such_backend(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="can't look into a Linear: pass a Keras 3 model"):
        ls.describe(eqx.nn.Linear(2, 3, key=jax.random.key(0)))


@pytest.mark.timeout(600)
def test_it_keeps_the_contract_where_there_is_none_of_our_tests(
    installed: Path, tmp_path: Path
) -> None:
    here = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    paths = [str(installed), *(path for path in here if Path(path).name != "tests")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error",
         "--rootdir", str(EXAMPLE / "tests"), str(EXAMPLE / "tests")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=570,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_it_works_in_every_instrument_and_view(plugin: dict[str, Any]) -> None:
    model = plugin["digits"]()
    x = np.random.default_rng(0).random((2, 1, 8, 8), np.float32)
    acts = ls.activations(model, x)
    assert list(acts) == ADDRESSES
    assert acts["layers.0"].dims == ("sample", "y", "x", "channel")
    expected = np.asarray(jax.vmap(model)(x))
    np.testing.assert_allclose(acts["layers.4"], expected, rtol=1e-5, atol=1e-5)
    panel = ls.sheet(acts, "layers.2")
    assert panel.header["title"] == "layers.2 (3, 3, 4)"
    assert len(panel.header["tiles"]) == 4
    svg = ls.diagram(model, acts).save("diagram.svg").read_text()
    assert "Conv2d" in svg


def test_it_works_in_the_shell(
    plugin: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    eqx.tree_serialise_leaves("digits.eqx", plugin["digits"]())
    np.save("x.npy", np.random.default_rng(0).random((1, 1, 8, 8), np.float32))
    options = ["--architecture", "networks:digits"]
    assert main(["look", "digits.eqx", "x.npy", *options]) == 0
    pictures = {path.name for path in Path("layerscope-Sequential").glob("*.png")}
    assert pictures >= {f"0{i + 1}-{address}.png" for i, address in enumerate(ADDRESSES)}
    assert main(["diagram", "digits.eqx", "x.npy", *options, "-o", "diagram.svg"]) == 0
    assert "Conv2d" in Path("diagram.svg").read_text()
    capsys.readouterr()
    assert main(["describe", "digits.eqx", *options]) == 0
    described = capsys.readouterr().out
    assert "Equinox weights" in described
    assert "kernel_size 3×3" in described
    assert main(["look", "digits.eqx", "x.npy"]) == 2
    assert "digits.eqx' holds only weights: pass architecture=" in capsys.readouterr().err
