"""The frameworks, and the only place that imports them.

A backend is found by the model's own type, most derived class first: under Keras' torch backend a
Keras layer *is* a ``torch.nn.Module``. Nothing is imported that the model did not bring along.
"""

from __future__ import annotations

from typing import Any

from layerscope.backends.base import Backend
from layerscope.core.errors import ModelError


def backend_for(model: Any) -> Backend:
    """The backend that can look into this model.

    Raises
    ------
    ModelError
        When it is not a model of a framework that layerscope knows.
    """
    if isinstance(model, type):
        raise ModelError(
            f"{model.__name__} is a class: pass a model, {model.__name__}(...), not its class."
        )
    for kind in type(model).__mro__:
        root = kind.__module__.partition(".")[0]
        if root == "keras":
            from layerscope.backends.keras.backend import KerasBackend

            return KerasBackend(model)
        if root == "torch":
            from layerscope.backends.torch.backend import TorchBackend

            return TorchBackend(model)
        if root == "sklearn":
            from layerscope.backends.sklearn.backend import SklearnBackend

            return SklearnBackend(model)
        if root in ("onnx", "onnxruntime") or kind.__module__ == "layerscope.backends.onnx.model":
            from layerscope.backends.onnx.backend import OnnxBackend

            return OnnxBackend(model)
        if root in ("tf_keras", "tensorflow"):
            raise ModelError(
                f"{type(model).__name__} belongs to {root}, the Keras before Keras 3: save it and "
                "open it with Keras 3, or build it from `import keras`."
            )
    raise ModelError(
        f"layerscope can't look into a {type(model).__name__}: pass a Keras 3 model, a "
        "torch.nn.Module, an onnx.ModelProto, or a scikit-learn MLPClassifier or MLPRegressor."
    )
