"""What a page is about where there is no model: activations that were recorded before."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.errors import InputError
from layerscope.interfaces.page.query import Query
from layerscope.interfaces.page.subject import PageSubject
from layerscope.recordings.recording import Recording
from layerscope.recordings.visualization import FeatureVisualization
from layerscope.views.explorer.moment import Moment
from layerscope.views.survey.gallery import Gallery


class RecordingSubject(PageSubject):
    """Activations of some samples at a single moment; nothing is run."""

    def __init__(
        self,
        recording: Recording,
        *,
        classes: Sequence[str] = (),
        features: Sequence[FeatureVisualization] = (),
        gallery: Gallery | None = None,
    ) -> None:
        super().__init__(classes=classes, features=features, gallery=gallery)
        self.recording = recording

    @property
    def names(self) -> list[str]:
        """The names of all samples."""
        known = self.recording.samples
        return [known[i] if i < len(known) else f"sample {i}" for i in range(self._count())]

    def plain_moment(self, query: Query) -> Moment:
        """Return what a query looks at, alone.

        Raises
        ------
        InputError
            When there is no such sample.
        """
        if query.sample >= self._count():
            raise InputError(f"There is no sample {query.sample}: there are {self._count()}.")
        get = self.images.get
        return Moment(self.recording, query.sample, features=get, classes=self.classes)

    def _count(self) -> int:
        """Return how many samples there are: what has no such axis is of one."""
        recording = self.recording
        axes = [recording.axes(name) for name in (*recording.inputs, *recording)]
        return max((each.get("sample", 1) for each in axes), default=1)
