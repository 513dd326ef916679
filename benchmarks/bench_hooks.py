"""What looking at a PyTorch network of many small operations costs beside hooks that clone.

Usage: ``python benchmarks/bench_hooks.py [NETWORK ...] [--seconds 10] [--no-torchlens]``, with
networks bert, densenet121, llama, efficientnet_b0 and resnet101: random weights, one sample, one
thread. Those of transformers or torchvision are left out where these are not installed, and so is
TorchLens. A table in Markdown; all is measured in turn in one process for each network, medians of
the time that the processor spent on it, so that other processes count for little:

- plain: a forward pass, in milliseconds;
- hooks: a pass under forward hooks that clone every tensor that a module returns, over a plain one;
- put on: the same, with the hooks registered before and removed after it, over a plain one;
- functions: the same hooks under a function mode that does nothing but note what each function is
  given and returns, over a plain one: what it takes to have the values of functions, too;
- ours: ``activations`` once the model is known, over a plain pass;
- ours/hooks: the same over the cloning hooks. The aim is 1.5;
- first: the first ``activations`` of a model, over the first pass of a copy of it under hooks;
- operations: values of functions between the modules in the second recording, beside those in the
  first. The aim is as many;
- TorchLens/ours: ``torchlens.trace`` over ``activations``. The aim is 10.
"""

from __future__ import annotations

import argparse
import copy
import gc
import importlib
import importlib.util
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

#: What each network needs.
NEEDS = {
    "bert": "transformers",
    "densenet121": "torchvision",
    "llama": "transformers",
    "efficientnet_b0": "torchvision",
    "resnet101": "torchvision",
}
COLUMNS = (
    "network", "plain, ms", "hooks", "put on", "functions", "ours", "ours/hooks", "first",
    "operations", "TorchLens/ours",
)  # fmt: skip


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", choices=[[], *NEEDS])
    parser.add_argument("--seconds", type=float, default=10, help="for each network")
    parser.add_argument("--no-torchlens", action="store_true")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with_torchlens = not arguments.no_torchlens and is_installed("torchlens")
    if arguments.child:
        print(json.dumps(measure(arguments.networks[0], arguments.seconds, with_torchlens)))
        return
    if not arguments.no_torchlens and not with_torchlens:
        print("TorchLens is not installed: left out\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}", flush=True)
    for name in arguments.networks or NEEDS:
        if not is_installed(NEEDS[name]):
            print(f"{name} is left out: {NEEDS[name]} is not installed", flush=True)
            continue
        print(row(name, child(name, arguments)), flush=True)


def is_installed(package: str) -> bool:
    """Whether it can be imported."""
    return importlib.util.find_spec(package) is not None


def child(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure one network in a process of its own."""
    command = [sys.executable, __file__, name, "--child", "--seconds", str(arguments.seconds)]
    command += ["--no-torchlens"] * arguments.no_torchlens
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def row(name: str, m: dict[str, Any]) -> str:
    """One row of the table."""
    plain, hooks, ours = m["plain"], m["hooks"], m["ours"]
    before, after = m["operations"]
    cells = [
        name,
        f"{plain:.2f}",
        *(f"{m[way] / plain:.2f}" for way in ("hooks", "put on", "functions", "ours")),
        f"{ours / hooks:.2f}",
        f"{m['first'] / m['first hooks']:.2f}",
        f"{after} of {before}",
        f"{m['torchlens'] / ours:.0f}" if "torchlens" in m else "–",
    ]
    return f"| {' | '.join(cells)} |"


def measure(name: str, seconds: float, with_torchlens: bool) -> dict[str, Any]:
    """Medians in milliseconds, measured in turn."""
    warnings.simplefilter("ignore")
    import torch

    import layerscope as ls

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, x = network(name)
    looked_at = copy.deepcopy(model)
    run = passes(model, x)
    run()  # PyTorch's own start is nobody's first pass
    first_hooks = once(passes_under_hooks(copy.deepcopy(model), x))
    recordings: list[Any] = []
    first = once(lambda: recordings.append(ls.activations(looked_at, x)))
    recordings.append(ls.activations(looked_at, x))
    hooked = copy.deepcopy(model)
    add_hooks(hooked, [])
    ways: dict[str, Callable[[], Any]] = {
        "plain": run,
        "hooks": passes(hooked, x),
        "put on": passes_under_hooks(model, x),
        "functions": passes_under_mode(hooked, x),
        "ours": lambda: ls.activations(looked_at, x),
    }
    for _ in range(3):
        for way in ways.values():
            way()
    times: dict[str, list[float]] = {name: [] for name in ways}
    torchlens = TorchLens(model, x) if with_torchlens else None
    started = time.perf_counter()
    while len(times["ours"]) < 15 or time.perf_counter() - started < seconds:
        if torchlens and len(times["ours"]) % 5 == 0 and len(torchlens.times) < 7:
            torchlens.measure()
        for way, function in ways.items():
            times[way].append(once(function))
    result: dict[str, Any] = {way: median(values) for way, values in times.items()}
    if torchlens:
        result["torchlens"] = median(torchlens.times[1:])
    operations = [
        sum(layer.role == "operation" for layer in recording.network.layers)
        for recording in recordings
    ]
    return {**result, "first": first, "first hooks": first_hooks, "operations": operations}


def once(run: Callable[[], Any]) -> float:
    """Milliseconds of the processor's time for one call."""
    started = time.process_time()
    run()
    return 1e3 * (time.process_time() - started)


def network(name: str) -> tuple[Any, Any]:
    """One of them, and its input: keyword arguments or one tensor."""
    import torch

    if NEEDS[name] == "torchvision":
        import torchvision

        return getattr(torchvision.models, name)(weights=None).eval(), torch.rand(1, 3, 64, 64)
    import transformers

    sizes = {
        "vocab_size": 1000,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
    }
    model: Any
    if name == "bert":
        model = transformers.BertModel(transformers.BertConfig(**sizes))
    else:
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes))
    return model.eval(), {"input_ids": torch.randint(0, 1000, (1, 32))}


def passes(model: Any, x: Any) -> Callable[[], Any]:
    """A forward pass of it."""
    import torch

    def run() -> Any:
        with torch.no_grad():
            return model(**x) if isinstance(x, dict) else model(x)

    return run


def passes_under_hooks(model: Any, x: Any) -> Callable[[], Any]:
    """A forward pass with hooks that are there for this pass only."""
    run = passes(model, x)

    def run_under_hooks() -> Any:
        kept: list[Any] = []
        with hooks(model, kept):
            return run(), kept

    return run_under_hooks


def passes_under_mode(model: Any, x: Any) -> Callable[[], Any]:
    """A forward pass under a function mode that notes each call, and looks at none."""
    from torch.overrides import TorchFunctionMode

    run = passes(model, x)

    class Noting(TorchFunctionMode):
        def __init__(self) -> None:
            super().__init__()
            self.notes: list[Any] = []

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = func(*args, **kwargs) if kwargs else func(*args)
            self.notes.append((func, args, result))
            return result

    def run_under_mode() -> Any:
        with Noting() as mode:
            return run(), mode.notes

    return run_under_mode


@contextmanager
def hooks(model: Any, kept: list[Any]) -> Iterator[None]:
    """Clone whatever a module returns, and remove the hooks again."""
    handles = add_hooks(model, kept)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def add_hooks(model: Any, kept: list[Any]) -> list[Any]:
    """Have every module's return values cloned; each pass replaces those of the last."""

    def clone(module: Any, arguments: Any, result: Any) -> None:
        kept.append(cloned(result))

    def forget(module: Any, arguments: Any) -> None:
        kept.clear()

    handles = [module.register_forward_hook(clone) for module in model.modules()]
    return [*handles, model.register_forward_pre_hook(forget)]


def cloned(value: Any) -> Any:
    """Clone the tensors in what a module returned."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: cloned(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [cloned(item) for item in value]
    return value


class TorchLens:
    """Its own recording, with its wrappers around PyTorch's functions there for it only.

    They would slow every other pass in this process.
    """

    def __init__(self, model: Any, x: Any) -> None:
        self._torchlens = importlib.import_module("torchlens")
        self._wrappers = importlib.import_module("torchlens.backends.torch.wrappers")
        self._model = copy.deepcopy(model)
        self._inputs = ((), dict(x)) if isinstance(x, dict) else ((x,), None)
        self.times: list[float] = []  #: milliseconds, the first one included

    def measure(self) -> None:
        """Measure once more."""
        import torch

        self._wrappers.wrap_torch()
        try:
            with torch.no_grad():
                trace = self._torchlens.trace
                self.times.append(once(lambda: trace(self._model, *self._inputs)))
        finally:
            self._wrappers.unwrap_torch()
            gc.collect()


if __name__ == "__main__":
    main()
