"""Random PyTorch programs, and what each of their modules returned.

A program is a module with modules inside, which calls them, calls functions, and writes into what
it has, in every way that PyTorch knows. What is right is told by a copy of the model whose hooks
clone what each call returned, at the moment when it returned it.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import layerscope as ls

#: Samples and features of every value; as many features as can be halved.
SHAPE = (3, 4)

Value = torch.Tensor
Function = Callable[[Value, Value], Value]
Write = Callable[[Value, Value], None]


# -- what a program is made of --------------------------------------------------------------------

FUNCTIONS: dict[str, Function] = {
    "relu(y)": lambda y, o: F.relu(y),
    "y.tanh()": lambda y, o: y.tanh(),
    "softmax(y)": lambda y, o: F.softmax(y, -1),
    "layer_norm(y)": lambda y, o: F.layer_norm(y, SHAPE[1:]),
    "y + o": lambda y, o: y + o,
    "y * 0.5": lambda y, o: y * 0.5,
    "1 - y": lambda y, o: 1 - y,
    "y @ o.T @ y": lambda y, o: (y @ o.T @ y).tanh(),
    "where(y > 0, y, o)": lambda y, o: torch.where(y > 0, y, o),
    "cat(y, o)": lambda y, o: torch.cat([y, o], 1)[:, : SHAPE[1]],
    "y.clone()": lambda y, o: y.clone(),
    "y.cumsum(1)": lambda y, o: y.cumsum(1).tanh(),
    "dropout(y) in training mode": lambda y, o: F.dropout(y, 0.3, training=True),
    "y + noise": lambda y, o: y + torch.randn_like(y),
}  # fmt: skip

#: Functions whose result is the same memory: what is written to one of the two changes the other.
VIEWS: dict[str, Function] = {
    "y": lambda y, o: y,
    "y[:]": lambda y, o: y[:],
    "y.view(-1).view(shape)": lambda y, o: y.reshape(-1).view(SHAPE),
    "y.T.T": lambda y, o: y.T.T,
    "y.detach()": lambda y, o: y.detach(),
    "y.data": lambda y, o: y.data,
    "y[None][0]": lambda y, o: y[None][0],
    "y.expand_as(o)": lambda y, o: y.expand_as(o),
    "y.contiguous()": lambda y, o: y.contiguous(),
    "Identity": lambda y, o: nn.Identity()(y),
}  # fmt: skip


def _imul(y: Value, o: Value) -> None:
    y *= -1.5


def _iadd(y: Value, o: Value) -> None:
    y += o.tanh()


def _isub_number(y: Value, o: Value) -> None:
    y -= 0.25


def _slice(y: Value, o: Value) -> None:
    y[:, :2] = o[:, 2:].sigmoid()


def _column(y: Value, o: Value) -> None:
    y[:, 1] *= 3


def _mask(y: Value, o: Value) -> None:
    y[y > 0] = 0.125


def _transposed(y: Value, o: Value) -> None:
    y.t_()
    y.mul_(0.5)
    y.t_()


class _Negated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Value) -> Value:
        ctx.mark_dirty(y)
        return y.neg_()


#: Writes into a value that every tensor on its memory counts (``Tensor._version``).
WRITES: dict[str, Write] = {
    "y *= -1.5": _imul,
    "y += tanh(o)": _iadd,
    "y -= 0.25": _isub_number,
    "y[:, :2] = …": _slice,
    "y[:, 1] *= 3": _column,
    "y[y > 0] = …": _mask,
    "y.t_().mul_().t_()": _transposed,
    "y.masked_fill_": lambda y, o: y.masked_fill_(y < 0, -0.75),
    "y.clamp_": lambda y, o: y.clamp_(-0.1, 0.1),
    "y.copy_(o)": lambda y, o: y.copy_(o),
    "y.exp_": lambda y, o: y.clamp_(max=1).exp_(),
    "y.zero_": lambda y, o: y.zero_(),
    "y.fill_": lambda y, o: y.fill_(0.3),
    "y.relu_": lambda y, o: y.relu_(),
    "y.lerp_": lambda y, o: y.lerp_(o, 0.5),
    "y.addcmul_": lambda y, o: y.addcmul_(o.sin(), o.cos()),
    "y.scatter_": lambda y, o: y.scatter_(1, torch.zeros(3, 1, dtype=torch.int64), 0.7),
    "y.index_fill_": lambda y, o: y.index_fill_(1, torch.tensor([0, 3]), -0.5),
    "y.uniform_": lambda y, o: y.uniform_(),
    "y.view(-1).mul_": lambda y, o: y.detach().view_as(y).mul_(3),
    "y.T[0] = …": lambda y, o: y.T[0].fill_(0.9),
    "y.chunk(2)[0].neg_": lambda y, o: y.chunk(2, 1)[0].neg_(),
    "y.unbind()[1].add_": lambda y, o: y.unbind()[1].add_(1),
    "add(out=y)": lambda y, o: torch.add(y.clone(), 1, out=y),
    "sigmoid(o, out=y)": lambda y, o: torch.sigmoid(o.clone(), out=y),
    "F.relu(inplace)": lambda y, o: F.relu(y, inplace=True),
    "F.dropout(inplace)": lambda y, o: F.dropout(y, 0.5, training=True, inplace=True),
    "ReLU6(inplace)": lambda y, o: nn.ReLU6(inplace=True)(y),
    "aten.mul_": lambda y, o: torch.ops.aten.mul_(y, 0.5),
    "_foreach_mul_": lambda y, o: torch._foreach_mul_([y], 2.0),
    "init.constant_": lambda y, o: nn.init.constant_(y[:1], 0.6),
    "Function.mark_dirty": lambda y, o: _Negated.apply(y),
}  # fmt: skip


def _assign_data(y: Value, o: Value) -> None:
    y.data = y.data * 2


def _numpy(y: Value, o: Value) -> None:
    y.detach().numpy()[:, 0] = 0.4


def _dlpack(y: Value, o: Value) -> None:
    torch.from_dlpack(y.detach()).sub_(1)


def _storage(y: Value, o: Value) -> None:
    other = torch.empty(0).set_(y.untyped_storage(), y.storage_offset(), y.shape, y.stride())
    other.mul_(0.5)


#: Writes that the value's own counter does not count.
UNCOUNTED: dict[str, Write] = {
    "y.data.mul_": lambda y, o: y.data.mul_(3),
    "y.data[:, 0] = …": lambda y, o: y.data[:, 0].fill_(-0.2),
    "y.data = …": _assign_data,
    "y.numpy()[:, 0] = …": _numpy,
    "from_dlpack(y).sub_": _dlpack,
    "tensor on y's storage": _storage,
}  # fmt: skip

#: All kinds of steps. A program may be made of some of them only.
KINDS = frozenset({"write", "uncounted", "state", "hook", "parts"})


# -- programs -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One line of a block's forward: what is done, and to which of the values that it has."""

    what: str  #: "call", "function", "view", "write", "uncounted", "keep", "table", …
    name: str
    y: int
    other: int

    def __str__(self) -> str:
        return f"{self.what:9} {self.name}  (y = v{self.y}, o = v{self.other})"


class Block(nn.Module):
    """A module that runs steps over a list of values, the first of which is its argument."""

    def __init__(
        self,
        layers: Mapping[str, nn.Module],
        steps: Iterable[Step],
        result: tuple[str, tuple[int, ...]],
        shared: list[Value],
    ) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.table = nn.Parameter(torch.randn(SHAPE))
        self.register_buffer("seen", torch.randn(SHAPE))
        self.register_buffer("mean", torch.zeros(SHAPE[1]))
        self.register_buffer("var", torch.ones(SHAPE[1]))
        self.steps, self.result, self.shared = tuple(steps), result, shared

    def forward(self, x: Value) -> Any:
        values = [x]
        for step in self.steps:
            y, other = values[step.y], values[step.other]
            values += self._new(step, y, other)
        kind, which = self.result
        returned = [self._result(values[i], x) for i in which]
        if kind == "dict":
            return {f"key{i}": value for i, value in enumerate(returned)}
        return returned[0] if kind == "one" else tuple(returned)

    def _result(self, value: Value, x: Value) -> Value:
        """One of the values, as the block returns it."""
        return value

    def _new(self, step: Step, y: Value, other: Value) -> list[Value]:
        """What a step adds to the values."""
        if step.what == "call":
            return _tensors(self.get_submodule(step.name)(y))
        if step.what == "function":
            return [FUNCTIONS[step.name](y, other)]
        if step.what == "view":
            return [VIEWS[step.name](y, other)]
        if step.what in ("write", "uncounted"):
            {**WRITES, **UNCOUNTED}[step.name](y, other)
            return []
        return self._with_state(step, y)

    def _with_state(self, step: Step, y: Value) -> list[Value]:
        """Steps with what outlives the block or the pass."""
        if step.what == "keep":  # for other blocks to write to
            self.shared.append(y)
        elif step.what == "kept" and self.shared:
            self.shared[-1].mul_(0.5)
            return [self.shared[-1]]
        elif step.what == "table":
            return [self.table]
        elif step.what == "seen":
            self.seen.copy_(y)
            return [self.seen]
        elif step.what == "statistics":
            return [F.batch_norm(y, self.mean, self.var, training=True, momentum=0.5)]
        elif step.what == "normalized":
            return [F.batch_norm(y, self.mean, self.var)]
        return []


class Root(Block):
    """The outermost block, which begins each pass with nothing kept."""

    def forward(self, x: Value) -> Any:
        self.shared.clear()
        return super().forward(x)

    def _result(self, value: Value, x: Value) -> Value:
        """The value, but for x itself: what a network is given is no value of its own."""
        return value + 1 if value is x else value


@dataclass(frozen=True)
class Program:
    """A model with an input, made from a seed."""

    seed: int
    model: nn.Module
    x: Value

    def __str__(self) -> str:
        lines = [f"program {self.seed}"]
        for name, module in self.model.named_modules():
            lines.append(f"{name or 'output'}: {_head(module)}")
            if isinstance(module, Block):
                lines += [f"    {step}" for step in module.steps]
                lines.append(f"    return {module.result}")
        return "\n".join(lines)


def program(seed: int, kinds: Iterable[str] = KINDS) -> Program:
    """The program of a seed, of these kinds of steps besides calls, functions and views."""
    choose = random.Random(seed)
    torch.manual_seed(seed)
    model = _Maker(choose, frozenset(kinds)).block(depth=0)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.running_mean.normal_()
    return Program(seed, model.train(choose.random() < 0.5), torch.randn(SHAPE))


def writing(name: str, seed: int) -> Program:
    """A program that does nothing but write in one way into what a layer or a block returned.

    Its block writes into its layer's result, or the network into the block's, or both; directly
    or through a view, before or after another layer has read it.
    """
    choose = random.Random(seed)
    torch.manual_seed(seed)
    what, width = "write" if name in WRITES else "uncounted", SHAPE[1]

    def steps(writes: bool) -> list[Step]:
        read = [Step("call", "reader", 1, 0)] * choose.randint(0, 1)
        view = Step("view", choose.choice(list(VIEWS)), 1, 0)
        write = [Step(what, name, 2, 0)] * writes
        return [Step("call", "layer", 0, 0), view, *write, *read] if seed % 2 else [
            Step("call", "layer", 0, 0), view, *read, *write
        ]  # fmt: skip

    inner_writes = seed % 3 != 1
    layers = {"layer": nn.Linear(width, width), "reader": nn.Linear(width, width)}
    block = Block(layers, steps(inner_writes), ("one", (choose.choice((1, 2)),)), [])
    outer = {"layer": block, "reader": nn.Sequential(nn.Linear(width, width), nn.ReLU())}
    model = Root(outer, steps(seed % 3 != 0), ("one", (1,)), [])
    return Program(seed, model, torch.randn(SHAPE))


class _Maker:
    """Makes the blocks of one program."""

    def __init__(self, choose: random.Random, kinds: frozenset[str]) -> None:
        self._choose = choose
        self._kinds = kinds
        self._shared: list[Value] = []
        self._made: list[nn.Module] = []

    def block(self, depth: int) -> Block:
        choose = self._choose
        layers = {
            f"{choose.choice('abc')}{i}": self.layer(depth) for i in range(choose.randint(1, 4))
        }
        calls = list(layers) * 2
        choose.shuffle(calls)
        counts = [1]  # of the values that there are, after each step
        steps = []
        for _ in range(choose.randint(3, 9)):
            step = self._step(calls, layers, counts[-1])
            steps.append(step)
            counts.append(counts[-1] + self._added(step, layers))
        block = Root if depth == 0 else Block
        return block(layers, steps, self._result(counts[-1]), self._shared)

    def layer(self, depth: int) -> nn.Module:
        choose = self._choose
        if self._made and choose.random() < 0.1:
            return choose.choice(self._made)  # shared between blocks
        if depth < 2 and choose.random() < 0.45:
            made: Any = self.block(depth + 1)
            if made.result[0] == "one" and choose.random() < 0.3:
                made = nn.Sequential(made, self._simple(choose.randrange(9)))
        else:
            made = self._simple(choose.randrange(9))
        if "hook" in self._kinds and choose.random() < 0.1:
            made.register_forward_hook(choose.choice(_HOOKS))
        self._made.append(made)
        return made

    def _simple(self, which: int) -> nn.Module:
        width = SHAPE[1]
        if which < 2:
            return nn.Linear(width, width)
        if which == 2:
            return nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True))
        if which == 3:
            return nn.Sequential(nn.BatchNorm1d(width), nn.Dropout(0.2), nn.Hardtanh(inplace=True))
        others: list[Callable[[], nn.Module]] = [
            lambda: nn.ReLU(inplace=True), lambda: nn.BatchNorm1d(width), nn.Identity,
            lambda: nn.Dropout(0.5, inplace=True), nn.Sequential,
        ]  # fmt: skip
        return others[which - 4]()

    def _step(self, calls: list[str], layers: Mapping[str, nn.Module], count: int) -> Step:
        choose = self._choose
        # The newest value most often: programs are chains, mostly.
        y = count - 1 if choose.random() < 0.7 else choose.randrange(count)
        other = choose.randrange(count)
        kinds = [("call", 5), ("function", 3), ("view", 2)]
        kinds += [(kind, 4) for kind in ("write",) if kind in self._kinds]
        kinds += [(kind, 2) for kind in ("uncounted",) if kind in self._kinds]
        what = choose.choices(*zip(*kinds, strict=True))[0]
        if "state" in self._kinds and choose.random() < 0.15:
            what = choose.choice(("keep", "kept", "table", "seen", "statistics", "normalized"))
        named = {"function": FUNCTIONS, "view": VIEWS, "write": WRITES, "uncounted": UNCOUNTED}
        if what == "call":
            name = calls.pop() if calls else choose.choice(list(layers))
        else:
            name = choose.choice(list(named[what])) if what in named else ""
        return Step(what, name, y, other)

    def _added(self, step: Step, layers: Mapping[str, nn.Module]) -> int:
        """How many values a step adds at least."""
        if step.what == "call":
            layer = layers[step.name]
            return len(layer.result[1]) if isinstance(layer, Block) else 1
        return int(step.what not in ("write", "uncounted", "keep", "kept"))

    def _result(self, count: int) -> tuple[str, tuple[int, ...]]:
        choose = self._choose
        last = count - 1 if choose.random() < 0.8 else choose.randrange(count)
        if "parts" not in self._kinds or choose.random() < 0.75:
            return "one", (last,)
        return choose.choice(("tuple", "dict")), (last, choose.randrange(count))


def _doubling(module: nn.Module, args: Any, result: Any) -> Any:
    return result * 2 if torch.is_tensor(result) else None


def _writing(module: nn.Module, args: Any, result: Any) -> None:
    if torch.is_tensor(result):
        result.sub_(0.5)


_HOOKS = (_doubling, _writing)


def _tensors(result: Any) -> list[Value]:
    if isinstance(result, dict):
        return list(result.values())
    return list(result) if isinstance(result, tuple) else [result]


def _head(module: nn.Module) -> str:
    hooks = ", ".join(hook.__name__ for hook in module._forward_hooks.values())
    inplace = " in place" if getattr(module, "inplace", False) else ""
    return f"{type(module).__name__}{inplace}" + (f", with the hook {hooks}" if hooks else "")


# -- what is right --------------------------------------------------------------------------------


def expected(of: Program) -> dict[str, np.ndarray]:
    """What every call of a module returned, by its address, cloned as it returned."""
    model, x = copy.deepcopy(of.model).eval(), of.x.clone()
    counts: dict[str, int] = {}
    values: dict[str, np.ndarray] = {}

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, args: Any, result: Any) -> None:
            counts[name] = counts.get(name, 0) + 1
            address = name if counts[name] == 1 else f"{name}#{counts[name]}"
            for suffix, value in _parts(result):
                values[address + suffix] = value.detach().clone().numpy()

        return hook

    for name, module in model.named_modules():
        module.register_forward_hook(note(name or "output"))
    torch.manual_seed(of.seed)
    with torch.no_grad():
        model(x)
    return values


def _parts(result: Any) -> Iterator[tuple[str, Value]]:
    names: Iterable[Any] = result if isinstance(result, dict) else range(len(_tensors(result)))
    for i, (name, value) in enumerate(zip(names, _tensors(result), strict=True)):
        yield ("" if i == 0 else f"[{name}]"), value


def check(
    of: Program, selection: Any = None, right: Mapping[str, np.ndarray] | None = None
) -> None:
    """Assert that a look sees what the copy's hooks saw, and leaves the model and x as they were.

    ``selection`` is None for all, an address or a list of addresses. ``right`` is what
    ``expected`` gives, where it is known already.
    """
    right = expected(of) if right is None else right
    x, before = of.x.clone(), _state(of.model)
    torch.manual_seed(of.seed)
    acts = ls.activations(of.model, of.x, layers=selection)
    drawn = torch.rand(())
    if selection is None:
        wanted = list(right)
    else:
        wanted = [selection] if isinstance(selection, str) else list(selection)
    for address in wanted:
        where = f"{address!r} of layers={selection!r} in\n{of}"
        assert address in acts or address in acts.aliases, f"there is no {where}"
        np.testing.assert_allclose(
            acts[address].values, right[address], rtol=1e-4, atol=1e-6, err_msg=where
        )
    torch.testing.assert_close(of.x, x, rtol=0, atol=0, msg=f"x was written to by\n{of}")
    after = _state(of.model)
    assert before.keys() == after.keys(), f"the model was changed by\n{of}"
    for key in before:
        same = torch.equal(before[key], after[key]) if key in before else False
        assert same, f"{key} was changed by layers={selection!r} of\n{of}"
    torch.manual_seed(of.seed)
    assert torch.equal(drawn, torch.rand(())), f"random state was changed by\n{of}"


def _state(model: nn.Module) -> dict[str, Value]:
    state = {key: value.clone() for key, value in model.state_dict().items()}
    for name, module in model.named_modules():
        state[f"{name}.training"] = torch.tensor(module.training)
        state[f"{name}.hooks"] = torch.tensor(len(module._forward_hooks))
    return state


def selections(of: Program, right: Mapping[str, np.ndarray], count: int = 6) -> Iterator[Any]:
    """All, each address by itself, and some random subsets."""
    choose = random.Random(of.seed)
    yield None
    yield from right
    for _ in range(count):
        yield choose.sample(sorted(right), choose.randint(1, len(right)))
