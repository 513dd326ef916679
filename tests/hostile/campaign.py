"""Opens hostile files by the thousand, and says what came of them.

``python -m hostile.campaign 5000`` from the folder of tests; ``--only onnx,image`` for some of the
formats.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from hostile.files import File, Report
from hostile.formats import FORMATS, crafted_files, mutated_files
from hostile.runner import Fault, Folders, Runner, faults_of
from hostile.seeds import installed

KERAS = ("jax", "tensorflow", "torch")  #: what Keras runs on, in turn


def formats_here() -> list[str]:
    """Those whose packages are installed."""
    return [name for name, one in FORMATS.items() if installed(*one.needs)]


def shares(names: Sequence[str], count: int) -> dict[str, int]:
    """How many mutated files of each of these formats make ``count`` together."""
    weights = {name: FORMATS[name].share for name in names if FORMATS[name].seeds is not None}
    total = sum(weights.values())
    return {name: -(-count * weight // total) for name, weight in weights.items()}


def results(
    names: Sequence[str], count: int, root: Path, *, seed: int = 0, every: int = 1
) -> Iterator[tuple[File, Report]]:
    """So many mutated files of these formats, and each or every n-th of the crafted ones."""
    share = shares(names, count)
    opened: dict[str | None, Runner] = {}  # frameworks take long to import
    try:
        for name in names:
            backends: list[str | None] = [os.environ.get("KERAS_BACKEND")]
            if FORMATS[name].keras and os.environ.get("KERAS_BACKEND") is None:
                backends = [backend for backend in KERAS if installed(backend)]
            for number, backend in enumerate(backends):
                if backend not in opened:
                    opened[backend] = Runner(_folders(root / str(backend)), backend)
                runner = opened[backend]
                part = share.get(name, 0) // len(backends)
                if FORMATS[name].seeds is not None:
                    own_seed = seed * len(KERAS) + number
                    yield from runner.reports(mutated_files(name, part, runner.folders, own_seed))
                if every:
                    crafted = crafted_files(name, runner.folders)
                    yield from runner.reports(itertools.islice(crafted, seed % every, None, every))
    finally:
        for runner in opened.values():
            runner.end()


def _folders(root: Path) -> Folders:
    root.mkdir()
    folders = Folders(root)
    (folders.outside / "secret.npy").write_bytes(bytes(64))
    return folders


def check(names: Sequence[str], count: int, root: Path, *, every: int = 1) -> None:
    """Fail with one line for each file of which something is wrong."""
    here = [name for name in names if installed(*FORMATS[name].needs)]
    faults = [str(fault) for fault in faults_of(results(here, count, root, every=every))]
    assert not faults, "\n".join(faults)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=1, help="of the crafted files; 0 for none")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else formats_here()
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as root:
        for file, report in results(
            names, args.count, Path(root), seed=args.seed, every=args.every
        ):
            count = counts[file.format]
            kind = "seeds" if "as it was" in file.what else (
                "mutated" if "mutation" in file.what else "crafted")  # fmt: skip
            count[kind] += 1
            count["opened"] += report.opened
            count["faults"] += bool(report.faults)
            if report.faults:
                _say(str(Fault(file, report.faults)))
            elif os.environ.get("HOSTILE_VERBOSE"):
                outcome = "opened" if report.opened else report.message
                figures = f"{report.seconds:.1f} s, {report.gained / 2**20:.0f} MiB"
                _say(f"  [{file.format}] {file.what}: {outcome[:200]} ({figures})")
    for name, count in counts.items():
        _say(f"{name} {dict(count)}")
    _say(f"{time.monotonic() - start:.0f} s")
    sys.exit(any(count["faults"] for count in counts.values()))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
