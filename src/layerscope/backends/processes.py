"""Which of several processes this is, where a training runs in many.

Only frameworks that are already in memory are asked.
"""

from __future__ import annotations

import sys


def is_first_process() -> bool:
    """Whether this is the first, or the only, process of a training.

    PyTorch's rank, JAX's process index, or the task in TensorFlow's cluster (its chief, or its
    first worker where there is no chief).
    """
    return _first_of_torch() and _first_of_jax() and _first_of_tensorflow()


def _first_of_torch() -> bool:
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return True
    return int(distributed.get_rank()) == 0


def _first_of_jax() -> bool:
    jax = sys.modules.get("jax")
    # Asked only where processes were connected: the question itself starts JAX's devices.
    state = getattr(sys.modules.get("jax._src.distributed"), "global_state", None)
    if jax is None or getattr(state, "client", None) is None:
        return True
    return int(jax.process_index()) == 0


def _first_of_tensorflow() -> bool:
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or not hasattr(tensorflow, "distribute"):
        return True
    resolver = tensorflow.distribute.get_strategy().cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    chiefs = [job for job in ("chief", "master") if job in resolver.cluster_spec().jobs]
    return resolver.task_type in (chiefs or ["worker"]) and int(resolver.task_id or 0) == 0
