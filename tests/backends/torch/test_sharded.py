"""Models that are spread over processes: whole where one process has all of it, else refused."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
distributed = pytest.importorskip("torch.distributed")

from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from torch.nn.parallel import DistributedDataParallel
from torch.testing._internal.distributed.fake_pg import FakeStore

import layerscope as ls
from layerscope.core.errors import ModelError

pytestmark = [
    pytest.mark.skipif(not distributed.is_available(), reason="PyTorch without torch.distributed"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture
def alone() -> Iterator[None]:
    """A group of this process only."""
    where = tempfile.mktemp()
    distributed.init_process_group("gloo", init_method=f"file://{where}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.fixture
def of_two() -> Iterator[None]:
    """A group of two, the other of which does not exist: whoever waits for it is answered."""
    distributed.init_process_group("fake", rank=0, world_size=2, store=FakeStore())
    yield
    distributed.destroy_process_group()


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)).eval()


def sharded(size: int) -> nn.Module:
    model = network()
    mesh = init_device_mesh("cpu", (size,))
    fully_shard(model[0], mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


@pytest.mark.usefixtures("alone")
def test_weights_that_one_process_has_are_whole() -> None:
    right, model = ls.weights(network()), sharded(1)
    weights = ls.weights(model)
    assert list(weights) == list(right)
    for key, array in right.items():
        assert weights[key].dims == array.dims
        np.testing.assert_array_equal(weights[key].values, array.values)
    assert weights.provenance == right.provenance
    described = ls.describe(model)
    assert described.total == ls.describe(network()).total
    assert [row.type for row in described] == ["Linear", "ReLU", "Linear"]


@pytest.mark.usefixtures("alone")
def test_activations_where_one_process_has_all() -> None:
    x = torch.rand(3, 4)
    right, acts = ls.activations(network(), x), ls.activations(sharded(1), x)
    for address, array in right.items():
        np.testing.assert_allclose(acts[address].values, array.values, rtol=1e-6)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("called", [False, True], ids=["never called", "called before"])
def test_a_sharded_module_runs_as_before_after_a_look(called: bool) -> None:
    x, model = torch.rand(3, 4), sharded(1)
    right = network()(x).detach()
    if called:
        model(x)
    for _ in range(3):
        acts = ls.activations(model, x)
        np.testing.assert_allclose(acts[list(acts)[-1]].values, right.numpy(), rtol=1e-6)
    torch.testing.assert_close(model(x).detach(), right)
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    assert list(ls.weights(model)) == list(ls.weights(network()))


def parallel(model: nn.Module, kind: str) -> nn.Module:
    if kind == "FSDP2":
        return sharded(2)
    if kind == "FSDP":
        return FullyShardedDataParallel(model, device_id=torch.device("cpu"))
    if kind == "DDP":
        return DistributedDataParallel(model)
    mesh = init_device_mesh("cpu", (2,))
    for name, value in list(model[0].named_parameters()):
        split = distribute_tensor(value.detach(), mesh, [Shard(0)])
        model[0].register_parameter(name, nn.Parameter(split))
    return model


@pytest.mark.usefixtures("of_two")
@pytest.mark.parametrize("kind", ["FSDP2", "FSDP", "DDP", "tensor parallel"])
def test_a_pass_that_waits_for_others_is_refused(kind: str) -> None:
    model = parallel(network(), kind)
    calls: list[Any] = []
    model.register_forward_pre_hook(lambda *args: calls.append(args))
    sentence = "is spread over 2 processes, and a pass in one of them waits for the others: "
    for look in (ls.activations, ls.describe):
        with pytest.raises(ModelError, match=sentence):
            look(model, torch.rand(3, 4))
    with pytest.raises(ModelError, match=sentence):
        ls.activations(nn.Sequential(model), torch.rand(3, 4), layers="0*")
    assert not calls
    assert list(ls.describe(model))  # by itself it waits for nobody


@pytest.mark.usefixtures("of_two")
def test_what_would_work_is_said_and_works() -> None:
    model = DistributedDataParallel(network())
    with pytest.raises(ModelError, match=r"pass its \.module"):
        ls.activations(model, torch.rand(3, 4))
    assert list(ls.activations(model.module, torch.rand(3, 4))) == ["0", "1", "2"]


@pytest.mark.usefixtures("of_two")
def test_weights_that_others_have_parts_of_are_refused() -> None:
    with pytest.raises(ModelError, match=r"shape \(6, 4\) is spread over 2 processes.* full state"):
        ls.weights(sharded(2))


@pytest.mark.usefixtures("of_two")
def test_weights_that_each_process_has_are_whole() -> None:
    model, mesh = network(), init_device_mesh("cpu", (2,))
    right = ls.weights(model)
    for name, value in list(model[0].named_parameters()):
        copied = distribute_tensor(value.detach(), mesh, [Replicate()])
        model[0].register_parameter(name, nn.Parameter(copied))
    weights = ls.weights(model)
    for key in right:
        np.testing.assert_array_equal(weights[key].values, right[key].values)
