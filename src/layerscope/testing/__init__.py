"""The contract that every backend passes, for whoever writes another one.

A backend is tested by a module of its own, whose classes have the models::

    from layerscope.testing import reference
    from layerscope.testing.contract import BackendContract

    class TestYours(BackendContract):
        def mlp(self): ...               # the network of reference.MLP_KERNELS and MLP_BIASES
        def predict(self, model, x): ...  # what the framework itself returns for it
        def state(self, model): ...       # what a look must leave alone
        def failing(self): ...            # a model that raises midway, an input, what it raises

    def test_...                          # and what only this framework has

``contract.BackendContract`` has the tests that all backends share, and ``check_case`` for further
models; ``gradients.DifferentiableContract`` those of a backend that is ``Differentiable``, too.
``reference`` is a small network computed by hand, in plain loops; ``threads`` runs several at once.

This package alone needs pytest, and Zarr, for what is recorded:
``pip install 'layerscope[testing]'``.
"""

import pytest

# So that a failure of theirs shows the values, as in a test's own module.
pytest.register_assert_rewrite(
    "layerscope.testing.contract", "layerscope.testing.gradients", "layerscope.testing.threads"
)
