"""Every check of the project: ``nox`` runs them all, ``nox -s lint`` one of them.

``lint`` and ``types`` look at the code. Each framework has an environment of its own, in which no
other is installed, so that a dependency between them shows; ``docs`` runs what the pages say.
``full`` kills trainings and opens hostile files by the thousand, ``bench`` measures: both run only
when asked for. What follows ``--`` goes to pytest.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.default_venv_backend = "virtualenv"  # uv does not find the torch that we ask for
nox.options.reuse_venv = "yes"
nox.options.sessions = [
    "lint",
    "types",
    "keras-jax",
    "keras-tensorflow",
    "keras-torch",
    "torch",
    "sklearn",
    "onnx",
    "docs",
    "applications",
]

#: Tests of one framework, of none, and of the pages; others need Keras.
TORCH = "tests/backends/torch"
SKLEARN = "tests/backends/sklearn"
ONNX = "tests/backends/onnx"
NONE = ("tests/core", "tests/recordings", "tests/test_package.py")
DOCS = "tests/test_docs.py"
#: Tests of which some need two frameworks in one environment.
SIDE_BY_SIDE = (
    "tests/interfaces/cli/test_features.py",
    "tests/instruments/features/diagnosis/test_dead_units.py",
)
#: Tests that try a sample of what ``nox -s full`` tries.
FULL = (
    "tests/recordings/store/test_killed.py",
    "tests/backends/*/test_processes.py",
    "tests/hostile/test_*.py",
    "tests/**/test_hostile*.py",
)
BACKENDS = ("jax", "tensorflow", "torch")  #: of Keras


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format, and which arrow may point where."""
    session.install("-r", "requirements/lint.txt")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": "src"})


@nox.session
def types(session: nox.Session) -> None:
    """The types, strictly."""
    _install(session, "torch", "types", "tests")
    session.run("mypy")


@nox.session(name="keras-jax")
def keras_jax(session: nox.Session) -> None:
    """Everything but the tests of other frameworks, with Keras on JAX."""
    _install(session, "keras-jax", "tests")
    # Compiling takes JAX longer than most of what it compiles runs.
    session.env["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    _pytest(session, "tests", without=(TORCH, SKLEARN, ONNX, DOCS), keras="jax")


@nox.session(name="keras-tensorflow")
def keras_tensorflow(session: nox.Session) -> None:
    """All that touches a model, with Keras on TensorFlow."""
    _install(session, "keras-tensorflow", "tests")
    _keras(session, "tensorflow")


@nox.session(name="keras-torch")
def keras_torch(session: nox.Session) -> None:
    """All that touches a model, with Keras on PyTorch."""
    _install(session, "torch", "keras-torch", "tests")
    _keras(session, "torch")


@nox.session
def torch(session: nox.Session) -> None:
    """Native PyTorch, where there is no Keras."""
    _install(session, "torch", "tests")
    _pytest(session, TORCH, *NONE, "tests/inputs")


@nox.session
def sklearn(session: nox.Session) -> None:
    """scikit-learn, and all that needs no framework, where there is no other."""
    _install(session, "sklearn", "tests")
    _pytest(session, SKLEARN, *NONE, "tests/views")


@nox.session
def onnx(session: nox.Session) -> None:
    """ONNX on ONNX Runtime, where there is no other framework."""
    _install(session, "onnx", "tests")
    _pytest(session, ONNX, *NONE)


@nox.session
def docs(session: nox.Session) -> None:
    """What the pages show runs, what the shell offers is described; and frameworks side by side."""
    _install(session, "torch", "keras-jax", "sklearn", "onnx", "tests")
    _pytest(session, DOCS, *SIDE_BY_SIDE, keras="jax")


@nox.session
def applications(session: nox.Session) -> None:
    """``keras.applications`` on each backend; ``-- --all jax``: all of them, on one backend."""
    _install(session, "torch", "keras-jax", "keras-tensorflow", "tests")
    asked = list(session.posargs)
    # Compiling takes JAX longer than all else does, and what it compiles runs only once.
    env = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    if "--all" in asked:
        env["LAYERSCOPE_APPLICATIONS"] = "all"
    for backend in [b for b in BACKENDS if b in asked] or BACKENDS:
        rest = [word for word in asked if word not in (*BACKENDS, "--all")]
        session.run("pytest", "tests/applications", *rest, env={**env, "KERAS_BACKEND": backend})


@nox.session(default=False)
def full(session: nox.Session) -> None:
    """What is drawn by chance, by the hundred and the thousand: kills, and files of strangers."""
    _install(session, "torch", "keras-jax", "keras-tensorflow", "sklearn", "onnx", "tests")
    files = [path for pattern in FULL for path in sorted(map(str, Path().glob(pattern)))]
    _pytest(session, *files, "-m", "full or not full", keras="jax", LAYERSCOPE_FULL="1")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Speed and memory, as ratios; ``nox -s bench -- drawing`` runs one of them."""
    _install(session, "torch", "keras-jax", "keras-tensorflow", "tests")
    for path in sorted(Path("benchmarks").glob("bench_*.py")):
        if not session.posargs or any(word in path.name for word in session.posargs):
            session.run("python", str(path))


def _install(session: nox.Session, *requirements: str) -> None:
    """Install what these files ask for, one after the other, and then layerscope."""
    for name in requirements:
        session.install("-r", f"requirements/{name}.txt")
    session.install(".")


def _keras(session: nox.Session, backend: str) -> None:
    tests = ("tests/backends", "tests/instruments", "tests/interfaces")
    _pytest(session, *tests, without=(TORCH, SKLEARN, ONNX), keras=backend)


def _pytest(
    session: nox.Session,
    *tests: str,
    without: tuple[str, ...] = (),
    keras: str | None = None,
    **env: str,
) -> None:
    ignored = [f"--ignore={path}" for pattern in without for path in sorted(Path().glob(pattern))]
    env |= {} if keras is None else {"KERAS_BACKEND": keras}
    session.run("pytest", *tests, *ignored, "--durations=5", *session.posargs, env=env)
