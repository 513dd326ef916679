"""Every check of the project: ``nox`` runs them all, ``nox -s lint`` one of them.

``lint`` and ``types`` look at the code; ``base`` tests what needs no framework where there is none.
Each framework has an environment of its own, in which no other is installed, so that a dependency
between them shows. What Keras computes with makes a difference to some tests: they run on each of
its backends, which also share ``keras.applications`` out among them. The rest runs once, in
``keras-torch``: nothing is compiled there, so it is quickest. ``docs`` runs what the pages say, and
what needs frameworks side by side. ``browser`` looks at the page, in Chromium; it needs that and
npm. ``full`` kills trainings and opens hostile files by the thousand, ``applications`` builds every
architecture of Keras, ``bench`` measures: they run only when asked for. What follows ``--`` goes to
pytest.
"""

from __future__ import annotations

from pathlib import Path

import nox

# uv is quicker, but has to be told where a torch without CUDA is, as `.ci/run` does.
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = [
    "lint",
    "types",
    "base",
    "keras-jax",
    "keras-tensorflow",
    "keras-torch",
    "torch",
    "sklearn",
    "onnx",
    "ray",
    "docs",
    "browser",
]

#: Tests of no framework, of one, and of the pages; others need Keras.
BASE = ("tests/core", "tests/recordings", "tests/inputs", "tests/views", "tests/hostile")
PACKAGE = ("tests/test_package.py", "tests/test_names.py")
TORCH = "tests/backends/torch"
SKLEARN = "tests/backends/sklearn"
ONNX = "tests/backends/onnx"
CLUSTERS = "tests/clusters"
DOCS = "tests/test_docs.py"
#: What the page about clusters shows, which needs Ray.
SCALE = f"{DOCS}::test_every_python_block_runs[docs/scale.md]"
BROWSER = "tests/interfaces/web"
WEB = "src/layerscope/interfaces/web"
#: Where tests are that need two frameworks; those of PyTorch with Keras run in ``keras-torch``.
SIDE_BY_SIDE = ("tests/interfaces", "tests/instruments", "tests/backends/test_structure.py")
#: Tests to which it makes a difference what Keras computes with, but for those marked one_backend.
EACH_BACKEND = (
    "tests/backends",
    "tests/instruments/attribution",
    "tests/instruments/features",
    "tests/instruments/record/test_callback.py",
)
#: Tests that try a sample of what ``nox -s full`` tries.
FULL = (
    "tests/recordings/store/test_killed.py",
    "tests/instruments/survey/test_survey.py",
    "tests/instruments/examination/test_trainings.py",
    "tests/backends/*/test_processes.py",
    "tests/hostile/test_*.py",
    "tests/instruments/features/test_proofs.py",
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
    _install(session, "torch", "page", "types", "tests")
    session.run("mypy")


@nox.session
def base(session: nox.Session) -> None:
    """What needs no framework, where there is none."""
    _install(session, "base", "tests")
    _pytest(session, *BASE, *PACKAGE)


@nox.session(name="keras-jax")
def keras_jax(session: nox.Session) -> None:
    """What depends on Keras' backend, on JAX."""
    _install(session, "keras-jax", "tests")
    # Compiling takes JAX longer than most of what it compiles runs.
    session.env["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    # What is compiled is kept: many tests make small networks anew, and JAX compiles them anew.
    session.env["JAX_COMPILATION_CACHE_DIR"] = str(Path(session.virtualenv.location) / "compiled")
    session.env["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    session.env["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    _keras(session, "jax", EACH_BACKEND, "not full and not one_backend")
    _share_of_applications(session, "jax")


@nox.session(name="keras-tensorflow")
def keras_tensorflow(session: nox.Session) -> None:
    """What depends on Keras' backend, on TensorFlow."""
    _install(session, "keras-tensorflow", "tests")
    _keras(session, "tensorflow", EACH_BACKEND, "not full and not one_backend")
    _share_of_applications(session, "tensorflow")


@nox.session(name="keras-torch")
def keras_torch(session: nox.Session) -> None:
    """All that needs Keras, on PyTorch."""
    _install(session, "torch", "keras-torch", "page", "tests")
    _keras(session, "torch", ("tests/backends", "tests/instruments", "tests/interfaces"))
    _pytest(session, TORCH, marked="not full and side_by_side", keras="torch")
    _share_of_applications(session, "torch")


@nox.session
def torch(session: nox.Session) -> None:
    """Native PyTorch, where there is no Keras; maps of attribution are held against Captum's."""
    _install(session, "torch", "tests", "captum")
    _pytest(session, TORCH)


@nox.session
def sklearn(session: nox.Session) -> None:
    """scikit-learn, where there is no other framework."""
    _install(session, "sklearn", "tests")
    _pytest(session, SKLEARN)


@nox.session
def onnx(session: nox.Session) -> None:
    """ONNX on ONNX Runtime, where there is no other framework."""
    _install(session, "onnx", "tests")
    _pytest(session, ONNX)


@nox.session
def ray(session: nox.Session) -> None:
    """Surveys on a cluster of Ray that is this machine, with two workers."""
    _install(session, "onnx", "sklearn", "ray", "tests")
    _pytest(session, CLUSTERS, SCALE)


@nox.session
def docs(session: nox.Session) -> None:
    """What the pages show runs, what the shell offers is described; and frameworks side by side."""
    _install(session, "torch", "keras-jax", "sklearn", "onnx", "page", "tests")
    # On PyTorch: what JAX compiles for the pages takes longer than all that they show.
    _pytest(session, DOCS, f"--deselect={SCALE}", keras="torch")
    _pytest(session, *SIDE_BY_SIDE, marked="not full and side_by_side", keras="jax")


@nox.session(default=False)
def applications(session: nox.Session) -> None:
    """One of each family of ``keras.applications``; ``-- --all jax``: all, on one backend."""
    _install(session, "torch", "keras-jax", "keras-tensorflow", "tests")
    asked = list(session.posargs)
    for backend in [b for b in BACKENDS if b in asked] or BACKENDS:
        rest = [word for word in asked if word not in (*BACKENDS, "--all")]
        _applications(session, backend, "all" if "--all" in asked else "share", *rest)


@nox.session
def browser(session: nox.Session) -> None:
    """The page: its modules' types and style, and its tests in a real browser."""
    session.run("npm", "install", external=True)  # what package.json names, to look at the page
    session.run("node_modules/.bin/tsc", "--project", ".", external=True)
    session.run("node_modules/.bin/eslint", "--max-warnings", "0", WEB, external=True)
    _install(session, "torch", "keras-torch", "page", "tests", "browser", "notebook")
    _pytest(session, BROWSER, marked="browser", keras="torch")


@nox.session(default=False)
def full(session: nox.Session) -> None:
    """What is drawn by chance, by the hundred and the thousand: kills, and files of strangers."""
    _install(session, "torch", "keras-jax", "keras-tensorflow", "sklearn", "onnx", "base", "tests")
    files = [path for pattern in FULL for path in sorted(map(str, Path().glob(pattern)))]
    _pytest(session, *files, marked="not browser", keras="jax", LAYERSCOPE_FULL="1")
    # Parameters, each with each, also where Keras compiles.
    for backend in ("jax", "tensorflow"):
        marked = "combinations and not one_backend and not hypothesis"
        _keras(session, backend, EACH_BACKEND, marked, LAYERSCOPE_FULL="1")
    # Properties, on many times as many examples as the gate tries.
    _pytest(session, "tests", marked="hypothesis", keras="torch", LAYERSCOPE_FULL="1")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Speed and memory, as ratios; ``nox -s bench -- drawing`` runs one of them."""
    _install(session, "torch", "keras-jax", "keras-tensorflow", "page", "tests", "bench", "browser")
    for path in sorted(Path("benchmarks").glob("bench_*.py")):
        if not session.posargs or any(word in path.name for word in session.posargs):
            session.run("python", str(path))


def _install(session: nox.Session, *requirements: str) -> None:
    """Install what these files ask for, one after the other, and then layerscope."""
    for name in requirements:
        session.install("-r", f"requirements/{name}.txt")
    session.install(".")


def _keras(
    session: nox.Session,
    backend: str,
    tests: tuple[str, ...],
    marked: str = "not full and not browser",
    **env: str,
) -> None:
    ignored = [f"--ignore={folder}" for folder in (TORCH, SKLEARN, ONNX)]
    _pytest(session, *tests, *ignored, marked=marked, keras=backend, **env)


def _share_of_applications(session: nox.Session, backend: str) -> None:
    """Build this backend's share, unless some of the other tests are asked for."""
    if not session.posargs:
        _applications(session, backend, "share")


def _applications(session: nox.Session, backend: str, which: str, *words: str) -> None:
    """Architectures of ``keras.applications``, of which each backend has its share in the gate."""
    env = {"LAYERSCOPE_APPLICATIONS": which, "KERAS_BACKEND": backend}
    # Compiling takes JAX longer than all else does, and what it compiles runs only once.
    env["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    session.run("pytest", "tests/applications", *words, env=env)


def _pytest(
    session: nox.Session,
    *tests: str,
    marked: str = "not full and not browser",
    keras: str | None = None,
    **env: str,
) -> None:
    env |= {} if keras is None else {"KERAS_BACKEND": keras}
    # What a person runs without nox leaves out what is slow.
    session.run("pytest", *tests, "-m", marked, "--durations=10", *session.posargs, env=env)
