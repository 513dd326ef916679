"""``Recorder``: watch a network learn, a step at a time, into a store that survives a crash."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, NoReturn

from layerscope.backends.training import is_first_process, training_of
from layerscope.core import console
from layerscope.core.errors import InputError, ModelError, OutputError
from layerscope.instruments.record.arguments import (
    read_every,
    read_number,
    read_step,
    read_steps,
    read_url,
)
from layerscope.instruments.record.budget import read_budget
from layerscope.instruments.record.callback import Callback, KerasHooks
from layerscope.instruments.record.layout import read_dtype
from layerscope.instruments.record.left_out import came_later, report
from layerscope.instruments.record.probabilities import read_classes
from layerscope.instruments.record.probe import Probe, check_alike
from layerscope.instruments.record.session import (
    Session,
    Settings,
    check_budget,
    check_place,
)
from layerscope.recordings.store.kept import FROM_BEFORE


class Recorder(KerasHooks):
    """Records what a network makes of a few fixed inputs while it learns.

    A callback for Keras' ``fit``; a context for an ordinary ``fit`` of scikit-learn; and for any
    loop of your own :meth:`snap`. A recording is opened with ``layerscope.open_recording``, also
    while it is made.

    Parameters
    ----------
    url
        Where it is kept: a folder, or any fsspec URL.
    model
        What :func:`layerscope.activations` takes. Training is left as it would be without.
    probe
        What the network is looked at with at each step: all that ``activations`` takes as ``x``. It
        is read and copied once; ``input_range``, ``resize``, ``size`` and ``preprocess`` are as
        there.
    every
        ``"epoch"``: before a fit, as epoch 0, and after each of its epochs; a number N for each N
        training steps (of a loop: steps that N divides); or a function that is given the number of
        a step and says whether to record it.
    layers
        Which layers, as in ``activations``; all by default.
    samples
        Of which of the probe's samples to store values: how many, or a list of numbers or names.
        Statistics are always those of the whole probe.
    weights
        Whether to store the values of the weights, or globs of which; norms are always stored.
    dtype
        ``"float16"``, ``"float32"``, or ``"uint8"``: 8 bits between each map's own limits.
    budget
        Bytes, or a size such as ``"2 GB"``, that it is to stay within: it then stores fewer
        samples, then fewer channels, then no values of weights, then fewer steps, and says so.
    steps
        How many steps will be recorded, where nobody else can tell: in a loop of your own.
    classes
        The names of the outputs: adds ``P(name)``, the mean over the probe, to the metrics.
    gradients
        Whether to record the norm of each parameter's gradient. ``True``, in PyTorch: the one that
        the last ``backward()`` left; call ``snap`` before it is set to zero. The labels of the
        probe, in Keras: the gradient of the compiled loss on the probe, in inference mode, which
        costs a pass forward and back at each step that is recorded.
    resume
        Go on with the recording that is there, if there is one, after its last step.
    overwrite
        Replace what is there.
    quiet
        Do not say on stderr how much it will take; ``plan`` says it, too.

    Raises
    ------
    InputError, AddressError, ModelError
        When an argument is not what it should be, or the probe does not fit the model.
    OutputError
        When something is there already, or it can't be written.
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        model: Any,
        *,
        probe: Any,
        every: str | int | Callable[[int], Any] = "epoch",
        layers: Any = None,
        samples: int | Sequence[int | str] | None = None,
        weights: bool | str | Sequence[str] = True,
        dtype: str = "float16",
        budget: str | float | None = None,
        steps: int | None = None,
        classes: Sequence[str] | None = None,
        gradients: Any = False,
        resume: bool = False,
        overwrite: bool = False,
        quiet: bool = False,
        input_range: tuple[float, float] | str = (0, 1),
        resize: str = "stretch",
        size: tuple[int, int] | None = None,
        preprocess: Callable[[Any], Any] | str | None = None,
    ) -> None:
        self._every = read_every(every)
        self._steps = read_steps(steps)
        self._quiet = quiet
        self._settings = Settings(
            url=read_url(url),
            samples=samples,
            weights=weights,
            dtype=read_dtype(dtype),
            budget=read_budget(budget),
            classes=read_classes(classes),
            resume=bool(resume),
            overwrite=bool(overwrite),
            quiet=bool(quiet),
            described={"every": str(self._every), "dtype": read_dtype(dtype), **FROM_BEFORE},
        )
        if resume and overwrite:
            raise InputError("resume=True goes on with a recording, overwrite=True replaces it.")
        self._training = training_of(model)
        options = {
            "input_range": input_range,
            "resize": resize,
            "size": size,
            "preprocess": preprocess,
        }
        self._looked_at = (probe, layers, options, bool(self._settings.classes), gradients)
        self._probe: Probe | None = None
        self._expected: int | None = None
        self._reported: dict[str, None] = {}
        self._session: Session | None = None
        self._closed = False
        self._process = os.getpid()
        self._shift = 0
        self._late = False
        self._fits = ExitStack()
        self._inside = False
        self._records = is_first_process()
        self._callback = Callback(self, self._every)
        self._prepare()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A Recorder can't be pickled or copied: it stays in the process that made it. Leave it "
            "out of what is sent to another process."
        )

    @property
    def plan(self) -> str:
        """How much the recording will take, in words; empty until it has begun."""
        return "" if self._session is None else str(self._session.plan)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was done to the probe, and what was left out."""
        if self._session is None:
            return (*(() if self._probe is None else self._probe.notes), *self._reported)
        return (*self._session.probe.notes, *self._session.plan.notes, *self._session.notes)

    @property
    def closed(self) -> bool:
        """Whether it takes no more steps."""
        return self._closed

    def snap(
        self, step: int | None = None, /, *, epoch: float | None = None, **metrics: Any
    ) -> bool:
        """Record the network as it is now; returns whether this step was one to be recorded.

        Parameters
        ----------
        step
            The number of the step, or of the epoch; the next one by default.
        epoch
            Where steps are no epochs: in which epoch it is, with a fraction.
        metrics
            Numbers: ``loss=0.3, accuracy=0.9``.

        Raises
        ------
        InputError
            When the recorder is closed, the step is not after the last one, or a metric is no
            number.
        OutputError
            When an earlier step could not be written. What was written before stays whole.
        """
        self._check_open()
        if not self._records:
            return False
        self._begin(self._steps, at_step=True)
        last = self._last
        number = read_step(step, last)
        if last is not None and number <= last:
            if self._settings.resume and number <= self._resumed:
                return False  # a training that goes on from a checkpoint before the last step
            raise InputError(f"step {number} does not come after the last one recorded, {last}.")
        if not self._every.wants(number):
            self._check_written()
            return False
        if epoch is None and self._every.epochs:
            epoch = float(number)
        return self._add(number, epoch, metrics)

    def flush(self) -> None:
        """Return when every step so far is in the store. Raises OutputError when one can't be."""
        if self._session is not None:
            self._session.wait()

    def close(self) -> None:
        """Write what is left, and end. Raises OutputError when it could not be written."""
        already, self._closed = self._closed, True
        self._fits.close()
        if already:
            return
        mine = self._process == os.getpid()  # and not a process that was forked from it
        if mine and self._records and self._last is None:
            report(f"nothing was recorded at {self._settings.url!r}: no step came that was to be")
        if self._session is not None:
            self._session.close()

    def __enter__(self) -> Recorder:
        self._check_open()
        self._inside = True
        if self._records:
            watched = self._training.watched(self.begin, self.record, self._ended)
            self._fits.enter_context(watched)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._inside = False
        try:
            self.close()
        except OutputError as failed:
            if error is None:
                raise
            error.add_note(str(failed))  # what went wrong first is what the user must see

    def follow(self, model: Any, where: str) -> None:
        """Go on with another model of the same network: that of another file, ``where``.

        The first model gets its weights where that can be told to make it the same one.

        Raises ModelError when it is of another network.
        """
        self._check_open()
        if self._session is not None:
            training = training_of(model)
            if self._training.take_weights(training.model):
                return
            self._training = training
            probe = Probe(training.model, *self._looked_at)
            check_alike(self._session.probe.network, probe.network, where)
            self._session.follow(probe)

    # What a fit tells: Keras' by way of the callback, scikit-learn's of the watched estimator.

    def check_trained(self, model: Any) -> None:
        """Raise ModelError where a fit trains nothing of the recorder's model."""
        if not self._training.shares_parts(model):
            raise ModelError(
                f"The recorder of {self._settings.url!r} was made with another model than the one "
                "that is trained: pass it the model whose fit is called."
            )

    def begin(self, steps: int | None) -> None:
        """Begin a fit, which will record so many steps."""
        self._check_open()
        if self._records:
            self._begin(self._steps or steps)

    def record(self, step: int, epoch: float | None, metrics: Mapping[str, Any]) -> bool:
        """Record a step of a fit. Those of a fit that begins anew go on after the last one."""
        self._check_open()
        if not self._records:
            return False
        self._begin(self._steps, at_step=True)
        last = self._last
        if last is not None and step + self._shift <= last:
            if step > 0:
                return False  # it goes on from an epoch before the last one that is there
            if self._every.epochs and not self._training.starts_over():
                self._shift = last  # it begins with what is there already
                return False
            self._shift = last + 1
        moved = None if epoch is None else epoch + (self._shift if self._every.epochs else 0)
        return self._add(step + self._shift, moved, metrics)

    def end(self) -> None:
        """End a fit, and the recording, unless a ``with`` block is still to end."""
        if self._inside:
            self.flush()
        else:
            self.close()

    def stopped(self, epoch: int) -> None:
        """Note that a fit ends before its time, after so many epochs."""
        moved = epoch + (self._shift if self._every.epochs else 0)
        self._ended([f"the training stopped by itself after epoch {moved}"])

    def _ended(self, sentences: Sequence[str]) -> None:
        if self._session is not None:
            for sentence in sentences:
                self._session.note(sentence)

    def _add(self, step: int, epoch: float | None, metrics: Mapping[str, Any]) -> bool:
        session = self._session
        if session is None:
            return False
        numbers = {name: read_number(name, value) for name, value in metrics.items()}
        session.check()  # also where this step is left out
        if not session.allows():
            return False
        if self._late and step > 0:
            session.note(
                "what was before the first step is not there: the training made the weights"
            )
        self._late = False
        try:
            session.make_room()
            session.add(step, epoch, numbers, session.probe.look())
        except BaseException:
            session.give_back()
            raise
        if session.probe.late:
            self._note(came_later(session.probe.late))
        return True

    def _check_written(self) -> None:
        """Raise OutputError where an earlier step can't be written."""
        if self._session is not None:
            self._session.check()

    def _note(self, sentence: str) -> None:
        """Say at once, and in the result, what the recording lacks."""
        if sentence not in self._reported:
            report(sentence)
        self._reported[sentence] = None
        if self._session is not None:
            self._session.note(sentence)

    @property
    def _last(self) -> int | None:
        return None if self._session is None else self._session.last

    def _prepare(self) -> None:
        """Find out at once whatever can be found out before training."""
        if not self._records:
            return
        check_place(self._settings)
        self._training.check_runs()
        if not self._training.is_ready():
            return  # the training is to make its weights, not a look
        self._look()
        if self._steps is not None or not self._training.reports_steps:
            self._begin(self._steps)
        else:
            check_budget(self._settings, self._look())

    def _look(self) -> Probe:
        if self._probe is None:
            self._probe = Probe(self._training.model, *self._looked_at)
        return self._probe

    def _begin(self, steps: int | None, *, at_step: bool = False) -> None:
        if self._session is not None:
            return
        self._expected = steps or self._expected
        if not self._training.is_ready():
            if not at_step:
                self._late = True
                return  # the training is about to make its weights
            if self._training.awaits_training(lambda m: Probe(m, *self._looked_at)):
                self._late = True
                self._note("no step is recorded before the training has made the weights")
                return
        self._session = Session(self._settings, self._look(), self._expected)
        self._resumed = -1 if self._session.last is None else self._session.last
        if self._every.epochs and not self._session.from_before:
            self._shift = -1
        if not self._quiet:
            console.report(f"layerscope records {self._session.plan}.")
        for sentence in self._session.probe.left_out or ():
            report(sentence)
        for sentence in self._reported:
            self._session.note(sentence)

    def _check_open(self) -> None:
        if self._closed:
            raise InputError(
                f"The recording {self._settings.url!r} is closed: a new Recorder with resume=True "
                "goes on with it."
            )
        if self._session is not None:
            self._session.check_here()
