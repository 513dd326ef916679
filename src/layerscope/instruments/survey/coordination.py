"""Who surveys which share: numbers the samples, and does again what was lost with a worker.

::

    shares, in order ──► read by a worker ──► numbered, in order ──► computed by the same worker
        ▲                                                                     │
        └───────── lost with its worker before it was ───────── handed over, and merged

A sample's number is its place in the data, which is known once all before it were read. A worker
adds up what its shares tell, and hands that over once, at the end; earlier where a checkpoint is
due, or where too much is held that might have to be read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from layerscope.core.errors import InputError, ModelError
from layerscope.instruments.survey.share_worker import ShareCount, WorkerModel
from layerscope.instruments.survey.shares import Share, SharesAhead
from layerscope.recordings.survey.survey import Survey

#: Shares that a worker has at a time: one that is computed, and others that are read beside it.
_AT_A_TIME = 3
#: So often a share may be lost with its worker, and so many workers that have computed nothing.
_LOSSES = 3
_SOON, _LATER = 0.02, 0.5  #: seconds to wait, where a share may come meanwhile, and where none does


class WorkerLostError(Exception):
    """A worker has gone, with all that it had."""


class Cluster(Protocol):
    """Workers in other processes, each a :class:`SurveyWorker`."""

    size: int  #: how many there are to be
    held_bytes: int  #: that may be held of shares until they are done

    def start(self) -> Any:
        """Start a worker, and return it."""

    def call(self, worker: Any, method: str, *arguments: Any) -> Any:
        """Have a worker do something, and return what :meth:`result` takes."""

    def ended(self, calls: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Return calls that have ended; wait for so many seconds at most until there are any."""

    def result(self, call: Any) -> Any:
        """Return what came of it. Raises WorkerLostError, or what it raised."""

    def stop(self, worker: Any) -> None:
        """End a worker."""

    def held(self, share: Share) -> Any:
        """Return a share as workers are handed it."""


@dataclass(eq=False)
class _ShareState:
    """A share, and how far it has come."""

    number: int  #: in the order of the data
    share: Any
    nbytes: int
    begin: int | None = None  #: how many samples were before it, once that is known
    count: int = 0  #: samples that are taken of it
    is_read: bool = False
    losses: int = 0


@dataclass(eq=False)
class _Worker:
    """A worker, and which shares it has."""

    handle: Any
    is_ready: bool = False
    pieces: dict[int, _ShareState] = field(default_factory=dict)  #: read or computed now
    computed: dict[int, _ShareState] = field(default_factory=dict)  #: and not handed over yet
    handed_over: set[int] = field(default_factory=set)  #: before their calls were seen to end
    hands_over: bool = False

    @property
    def nbytes(self) -> int:
        """What is held for shares that are computed."""
        return sum(piece.nbytes for piece in self.computed.values())


@dataclass
class Coordinator:
    """Surveys shares on a cluster."""

    cluster: Cluster
    first: int = 0  #: the number of the first sample of the data
    limit: int | None = None  #: samples that are taken
    labels: Sequence[Any] | None = None  #: given for the samples, in order
    noted: Callable[[ShareCount], None] = lambda _: None  #: called for each share, in order
    merged: Survey | None = None  #: of all that was handed over
    done: int = 0  #: samples that are part of what some worker has added up, or of ``merged``
    file: tuple[int, int] = (0, 0)  #: where among files to go on
    is_stopped: bool = False  #: no further shares are begun
    numbered: int = 0  #: samples that have a number
    _workers: list[_Worker] = field(default_factory=list)
    _calls: dict[Any, tuple[str, _Worker, _ShareState | None]] = field(default_factory=dict)
    _again: list[_ShareState] = field(default_factory=list)  #: lost with their workers
    _read: dict[int, tuple[_ShareState, ShareCount]] = field(default_factory=dict)  #: not numbered
    _digest: str = ""  #: of the workers' models
    _begun: int = 0  #: shares
    _next: int = 0  #: the share to be numbered next
    _lost: int = 0  #: workers, since one has computed something

    def open(self) -> WorkerModel:
        """Start the workers; return what the first of them has seen of the model."""
        self.numbered = self.done
        for _ in range(self.cluster.size):
            self._start()
        while True:
            for model in self._advance(_LATER):
                return model

    def run(
        self,
        shares: Iterable[Share],
        shown: Callable[[int], None],
        save: Callable[[], object],
        every: int | None,
    ) -> None:
        """Run shares; call ``save`` each so many samples, with all of them in ``merged``."""
        saved = self.done
        source = SharesAhead(shares, self.cluster.held, 2 * self.cluster.size)
        try:
            while True:
                is_due = every is not None and self.numbered - saved >= every
                is_enough = self.limit is not None and self.numbered >= self.limit
                goes_on = not (is_due or is_enough or self.is_stopped)
                has_room = self._hand_out(source if goes_on else None)
                is_over = source.is_over or not goes_on
                if self._calls:
                    self._advance(_SOON if has_room and not is_over else _LATER)
                    shown(self.done)
                elif not is_over:
                    source.wait(_SOON)
                elif not self._collect():
                    if not is_due or self.is_stopped:
                        return
                    save()
                    saved = self.done
        finally:
            source.close()

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            self.cluster.stop(worker.handle)
        self._workers, self._calls = [], {}

    def _start(self) -> None:
        worker = _Worker(self.cluster.start())
        self._workers.append(worker)
        self._call(worker, "open", None)

    def _call(
        self, worker: _Worker, method: str, piece: _ShareState | None, *arguments: Any
    ) -> None:
        self._calls[self.cluster.call(worker.handle, method, *arguments)] = method, worker, piece

    def _hand_out(self, source: SharesAhead | None) -> bool:
        """Have workers read shares; return whether one of them has room for more."""
        ready = [worker for worker in self._workers if worker.is_ready]
        while ready and self._again:  # whoever has room or not: others may wait for their numbers
            self._begin(min(ready, key=lambda one: len(one.pieces)), self._again.pop(0))
        if source is None or self._holds_much():
            return False
        for count in range(_AT_A_TIME):
            for worker in ready:
                if len(worker.pieces) <= count:
                    taken = source.take()
                    if taken is None:
                        return True
                    self._begin(worker, _ShareState(self._begun, *taken))
                    self._begun += 1
        return False

    def _begin(self, worker: _Worker, piece: _ShareState) -> None:
        piece.is_read = False
        worker.pieces[piece.number] = piece
        self._call(worker, "read", piece, piece.number, piece.share)

    def _holds_much(self) -> bool:
        """Return whether so much is held that no more is begun; have some of it handed over."""
        computed = sum(worker.nbytes for worker in self._workers)
        begun = sum(p.nbytes for worker in self._workers for p in worker.pieces.values())
        if 2 * computed > self.cluster.held_bytes:
            most = max(self._workers, key=lambda worker: worker.nbytes)
            if not any(worker.hands_over for worker in self._workers):
                self._hand_over(most)
        return begun > 0 and computed + begun > self.cluster.held_bytes

    def _hand_over(self, worker: _Worker) -> None:
        worker.hands_over = True
        self._call(worker, "hand_over", None)

    def _collect(self) -> bool:
        """Have all that is computed handed over; return whether there is any."""
        having = [worker for worker in self._workers if worker.computed]
        for worker in having:
            self._hand_over(worker)
        return bool(having)

    def _advance(self, seconds: float) -> list[WorkerModel]:
        """Wait for calls that end, and see to them; return what workers saw of their models."""
        opened: list[WorkerModel] = []
        for call in self.cluster.ended(list(self._calls), seconds):
            if call not in self._calls:  # of a worker that was lost just now
                continue
            method, worker, piece = self._calls.pop(call)
            try:
                result = self.cluster.result(call)
            except WorkerLostError:
                self._lose(worker)
                continue
            if method == "open":
                worker.is_ready = True
                self._check_same(result)
                opened.append(result)
            elif method == "hand_over":
                self._merge(worker, *result)
            elif piece is not None and method == "read":
                self._number(worker, piece, result)
            elif piece is not None:
                self._count(worker, piece, result)
        return opened

    def _check_same(self, model: WorkerModel) -> None:
        """Raise ModelError where a worker has a model with other weights than the first."""
        self._digest = self._digest or model.digest
        if model.digest != self._digest:
            raise ModelError(
                "Each worker has made a model with weights of its own: pass a function that makes "
                "the same each time, from a file or with a seed."
            )

    def _number(self, worker: _Worker, piece: _ShareState, read: ShareCount) -> None:
        """Give numbers to the samples of a share, and of those that waited for it."""
        piece.is_read = True
        if piece.begin is not None:  # it was read before
            self._compute(worker, piece)
            return
        self._read[piece.number] = piece, read
        while self._next in self._read:
            piece, read = self._read.pop(self._next)
            self._next += 1
            left = read.samples if self.limit is None else self.limit - self.numbered
            piece.begin, piece.count = self.numbered, min(read.samples, left)
            self.numbered += piece.count
            if self.labels is not None and self.numbered > len(self.labels):
                raise InputError(
                    f"labels= has {len(self.labels):,} labels, and the data have more samples."
                )
            if piece.count:
                self.noted(read)
            for other in self._workers:
                if piece.is_read and other.pieces.get(piece.number) is piece:
                    self._compute(other, piece)

    def _compute(self, worker: _Worker, piece: _ShareState) -> None:
        begin, end = piece.begin or 0, (piece.begin or 0) + piece.count
        labels = None if self.labels is None else list(self.labels[begin:end])
        self._call(
            worker, "compute", piece, piece.number, self.first + begin, labels, piece.count
        )  # fmt: skip

    def _count(self, worker: _Worker, piece: _ShareState, last: tuple[int, int]) -> None:
        del worker.pieces[piece.number]
        if piece.number not in worker.handed_over:
            worker.computed[piece.number] = piece
        self.done += piece.count
        self._lost = 0
        if piece.count:
            self.file = max(self.file, last)

    def _merge(self, worker: _Worker, part: Survey | None, numbers: Sequence[int]) -> None:
        worker.hands_over = False
        worker.handed_over |= worker.pieces.keys() & set(numbers)
        for number in numbers:
            worker.computed.pop(number, None)
        if part is not None:
            self.merged = part if self.merged is None else self.merged.merge(part)

    def _lose(self, worker: _Worker) -> None:
        """Begin again what a worker had, on others; start another worker in its place."""
        self._calls = {call: of for call, of in self._calls.items() if of[1] is not worker}
        self._workers.remove(worker)
        for number in worker.handed_over & worker.pieces.keys():
            self._count(worker, worker.pieces[number], (0, 0))
        for piece in worker.pieces.values():
            piece.is_read, piece.losses = False, piece.losses + 1
            if piece.losses > _LOSSES:
                where = "" if piece.begin is None else f", from sample {piece.begin:,} on"
                raise InputError(
                    f"{piece.losses} workers ended, one after the other, with the same samples"
                    f"{where}: if their memory was too small, pass a smaller batch_size=."
                )
        self.done -= sum(piece.count for piece in worker.computed.values())
        lost = [*worker.pieces.values(), *worker.computed.values()]
        self._again = sorted([*self._again, *lost], key=lambda piece: piece.number)
        self._lost += 1
        if self._lost > _LOSSES + self.cluster.size:
            raise ModelError(
                f"{self._lost} workers ended, and none of them has computed anything: see what "
                "the cluster's log says of them."
            )
        self._start()
