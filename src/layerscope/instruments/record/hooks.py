"""The names under which Keras calls a callback; each tells :class:`Callback` what happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layerscope.instruments.record.callback import Callback, Logs


class KerasHooks:
    """Keras' side of a recorder."""

    _callback: Callback

    @property
    def async_safe(self) -> bool:
        """Tells Keras whether it may call us beside the training: where batches don't matter."""
        return self._callback.by_epochs

    def set_model(self, model: Any) -> None:
        self._callback.set_model(model)

    def set_params(self, params: Mapping[str, Any] | None) -> None:
        self._callback.set_params(params)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._callback.train_begin()

    def on_train_end(self, logs: Logs = None) -> None:
        self._callback.train_end()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._callback.epoch_begin(epoch)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._callback.epoch_end(epoch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._callback.batch_end(batch, logs)

    def _nothing(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is done here."""

    # Keras lets the training run ahead of callbacks that leave its own empty methods in place, and
    # knows those by this mark.
    _nothing._is_default = True  # type: ignore[attr-defined]

    on_batch_begin = on_batch_end = on_train_batch_begin = _nothing
    on_test_begin = on_test_end = on_test_batch_begin = on_test_batch_end = _nothing
    on_predict_begin = on_predict_end = _nothing
    on_predict_batch_begin = on_predict_batch_end = _nothing
