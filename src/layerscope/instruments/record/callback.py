"""A recorder as Keras sees it: the methods that ``keras.callbacks.CallbackList`` calls.

No Keras is imported: Keras asks for these methods, and for no base class.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Protocol

from layerscope.backends.training import Training, training_of
from layerscope.core.errors import InputError
from layerscope.instruments.record.arguments import Every

Logs = Mapping[str, Any] | None


class StepRecorder(Protocol):
    """What the callback asks of a recorder."""

    def check_trained(self, model: Any) -> None: ...
    def begin(self, steps: int | None) -> None: ...
    def record(self, step: int, epoch: float | None, metrics: Mapping[str, Any]) -> bool: ...
    def stopped(self, epoch: int) -> None: ...
    def end(self) -> None: ...


class Callback:
    """Turns what Keras tells into steps of a recording.

    The number of a step is how much training there was: 0 before it, 1 after the first epoch, which
    Keras prints as Epoch 1 and calls 0, or after the first batch.
    """

    def __init__(self, recording: StepRecorder, every: Every) -> None:
        self._recording = recording
        self._every = every
        self._model: Any = None
        self._training: Training | None = None
        self._params: Mapping[str, Any] = {}
        self._thread = 0
        self._epoch = 0
        self._before = 0  #: steps of training done in earlier epochs
        self._done = 0  #: steps of training done

    @property
    def by_epochs(self) -> bool:
        """Whether only the ends of epochs matter."""
        return self._every.epochs

    def set_model(self, model: Any) -> None:
        if model is not None:
            self._recording.check_trained(model)
        self._model = model
        self._training = None if model is None else training_of(model)

    def set_params(self, params: Mapping[str, Any] | None) -> None:
        self._params = params or {}

    def train_begin(self) -> None:
        self._thread = threading.get_ident()
        self._before = self._done = 0
        epochs, steps = self._params.get("epochs"), self._params.get("steps")
        self._recording.begin(self._every.expected(epochs, steps))

    def epoch_begin(self, epoch: int) -> None:
        first = self._done == 0 and self._before == 0
        self._epoch = epoch
        if first:
            self._before = self._done = epoch * (self._params.get("steps") or 0)
            if self._every.epochs:
                self._record(epoch, float(epoch), {})
            elif self._every.wants(self._done):
                self._record(self._done, float(epoch), {})

    def batch_end(self, batch: int, logs: Logs) -> None:
        if self._every.epochs:
            return
        if threading.get_ident() != self._thread:
            raise InputError(
                "Keras calls a callback that it is given alone beside the training, which goes on "
                "meanwhile: pass callbacks=[recorder], a list."
            )
        before, self._done = self._done, self._before + batch + 1
        # Where Keras runs several steps at once, it tells of the last of them only.
        if any(self._every.wants(step) for step in range(before + 1, self._done + 1)):
            steps = self._params.get("steps")
            epoch = self._epoch + (batch + 1) / steps if steps else None
            self._record(self._done, epoch, logs or {})

    def epoch_end(self, epoch: int, logs: Logs) -> None:
        self._before = self._done
        if self._every.epochs:
            self._record(epoch + 1, float(epoch + 1), logs or {})

    def train_end(self) -> None:
        planned = self._params.get("epochs")
        # EarlyStopping, and whatever else asks for an end, leaves this mark on the model.
        if getattr(self._model, "stop_training", False) and planned != self._epoch + 1:
            self._recording.stopped(self._epoch + 1)
        self._recording.end()

    def _record(self, step: int, epoch: float | None, logs: Mapping[str, Any]) -> None:
        metrics = dict(logs)
        if self._training is not None:
            self._training.synchronize()
            rate = self._training.learning_rate()
            if rate is not None:
                metrics.setdefault("learning_rate", rate)
        self._recording.record(step, epoch, metrics)


class KerasHooks:
    """The names under which Keras calls a callback; each tells ``Callback`` what happened."""

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
        """Do nothing here."""

    # Keras lets the training run ahead of callbacks that leave its own empty methods in place, and
    # knows those by this mark.
    _nothing._is_default = True  # type: ignore[attr-defined]

    on_batch_begin = on_batch_end = on_train_batch_begin = _nothing
    on_test_begin = on_test_end = on_test_batch_begin = on_test_batch_end = _nothing
    on_predict_begin = on_predict_end = _nothing
    on_predict_batch_begin = on_predict_batch_end = _nothing
