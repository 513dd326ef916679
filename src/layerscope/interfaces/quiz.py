"""``quiz``: a page that asks a class which of two samples makes a unit fire more."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from layerscope.core.errors import AddressError, InputError, ViewError
from layerscope.core.files import check_free, whole
from layerscope.core.text import printable
from layerscope.interfaces.page.document import file_html
from layerscope.interfaces.page.wire import plain_json
from layerscope.recordings.survey.questions import (
    CLUES,
    Question,
    controls_of,
    questions_of,
    with_controls,
)
from layerscope.recordings.survey.survey import Example, Survey
from layerscope.recordings.visualization import FeatureVisualization
from layerscope.views.survey.fitted import fitted, made_image
from layerscope.views.survey.gallery import ExamplePicture, Gallery
from layerscope.views.survey.painting import Pixels

START, STYLES = "quiz/start_quiz.js", ("style.css", "quiz/quiz.css")
_CLUE, _ASKED = 96, 240  #: pixels of a side


def quiz(
    survey: Survey,
    address: str,
    path: str | os.PathLike[str] = "quiz.html",
    *,
    n: int = 20,
    seed: int = 0,
    images: FeatureVisualization | None = None,
    control: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a quiz as one page that opens offline: which of the two makes unit 12 fire more?

    The clue is the unit's strongest and weakest examples, or images that were made for it. The two
    to choose from are no part of the clue: samples drawn from all the data, one from the upper
    fifth of how the unit fires on them and one from the lower. At the end the page has the score of
    each unit over all who answered, with its 95 % interval: how well people can tell what the unit
    looks for. Answers are saved as CSV, and those of others are added.

    Parameters
    ----------
    survey
        What :func:`layerscope.survey` or :func:`layerscope.open_recording` returned.
    address
        A layer, of which each unit is asked about once before one is asked about again; or a unit.
    path
        The file to write, ``.html``.
    n
        How many questions.
    seed
        Which questions, and on which sides; the same seed makes the same quiz.
    images
        What :func:`layerscope.features` returned for these units: the clue in place of examples.
    control
        How many controls besides, an even number; by default one for about every four questions.
        There are fewer where the layer has too few units.
    overwrite
        Replace the file where there is one already.

    Raises
    ------
    AddressError
        When the survey has no such layer or unit, or there are no images of one.
    InputError
        When it is no survey, or no unit can be asked about.
    ViewError
        When the samples are nothing that can be seen.
    OutputError
        When there is a file already, or it can't be written.
    """
    if not isinstance(survey, Survey):
        raise InputError(
            f"A quiz is made of a survey, and this is {type(survey).__name__}: pass what "
            "layerscope.survey or layerscope.open_recording returned."
        )
    if images is not None and not isinstance(images, FeatureVisualization):
        raise InputError(f"images={type(images).__name__}: pass what layerscope.features returned.")
    if control is not None and (
        isinstance(control, bool) or not isinstance(control, int | np.integer) or control < 0
    ):
        raise InputError(f"control={control!r}: pass how many controls, 0 for none.")
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ViewError(f"{path.name!r} does not end in .html: name a file that does.")
    check_free(path, overwrite=overwrite)
    questions = questions_of(survey, address, n, seed=seed)
    wanted = 2 * -(-len(questions) // 8) if control is None else int(control)
    shown = None if images is None else _units_of(images, survey.place(address).layer, survey)
    controls = controls_of(survey, address, wanted, seed=seed, shown=shown)
    questions = with_controls(questions, controls, seed=seed)
    document = _Sheet(survey, images).document(address, questions, seed)
    with whole(path, overwrite=overwrite) as part:
        part.write_text(document, encoding="utf-8", newline="")
    return path


def _units_of(images: FeatureVisualization, layer: str, survey: Survey) -> set[int]:
    """Return the units of a layer that there are images of."""
    units = set()
    for unit in range(survey.tallies[layer].units):
        with contextlib.suppress(AddressError):
            images.place(f"{layer}:{unit}")
            units.add(unit)
    return units


class _Sheet:
    """The questions of a quiz with their pictures, each picture in it once."""

    def __init__(self, survey: Survey, images: FeatureVisualization | None) -> None:
        self._survey = survey
        self._images = images
        self._clues = Gallery(survey, side=_CLUE, outlines=False)
        self._wholes = Gallery(survey, side=_ASKED)
        self._blocks: list[str] = [""]  # the first is for the questions
        self._known: dict[bytes, int] = {}

    def document(self, address: str, questions: Sequence[Question], seed: int) -> str:
        """Return the page."""
        asked = [self._question(question) for question in questions]
        text = plain_json(asked)
        data: Mapping[str, Any] = {
            "title": printable(self._survey.network.name),
            "layer": address,
            "samples": self._survey.count,
            "made": self._images is not None,
            "quiz": hashlib.sha256(f"{seed}{text}{self._blocks}".encode()).hexdigest()[:12],
        }
        # Letters, so that nobody reads the answers in passing.
        self._blocks[0] = base64.b64encode(text.encode()).decode("ascii")
        title = f"Quiz: {printable(address)}"
        return file_html(title, data, self._blocks, START, kinds=(), styles=STYLES)

    def _question(self, question: Question) -> dict[str, Any]:
        layer, _, unit = question.address.rpartition(":")
        clue_of = question.clue_of or question.address
        return {
            "address": question.address,
            "unit": int(unit),
            "control": bool(question.clue_of),
            "made": self._made(clue_of),
            "strongest": self._clue(clue_of, "top", question.strongest),
            "weakest": self._clue(clue_of, "weak", question.weakest),
            "left": self._asked(layer, question.left),
            "right": self._asked(layer, question.right),
        }

    def _clue(self, address: str, which: str, examples: Sequence[Example]) -> list[int]:
        if self._images is not None:
            return []
        wanted = {example.sample.number for example in examples}
        pictures = self._clues.pictures(address, which, CLUES)
        return [
            self._put(fitted(_seen(picture), _CLUE, _CLUE))
            for picture in pictures
            if picture.example.sample.number in wanted
        ]

    def _asked(self, layer: str, example: Example) -> dict[str, Any]:
        picture = self._wholes.whole(layer, example)
        return {
            "picture": self._put(fitted(_seen(picture), _ASKED, _ASKED)),
            "value": example.value,
            "name": example.sample.name,
            "label": example.sample.label or "",
        }

    def _made(self, address: str) -> list[int]:
        if self._images is None:
            return []
        try:
            image = self._images.image(address)
        except AddressError as error:
            raise AddressError(
                f"There is no image of {address!r}, which is asked about: {error}"
            ) from error
        return [self._put(fitted(made_image(np.asarray(image), _ASKED), _ASKED, _ASKED))]

    def _put(self, picture: Pixels) -> int:
        """Put a picture into a block of its own, or find it there; return the block's number."""
        key = hashlib.sha256(picture.tobytes()).digest()
        if key not in self._known:
            self._known[key] = len(self._blocks)
            self._blocks.append(base64.b64encode(_webp(picture)).decode("ascii"))
        return self._known[key]


def _seen(picture: ExamplePicture) -> Pixels:
    if picture.form not in ("image", "signal"):
        raise ViewError(
            picture.note
            or f"{picture.example.sample.name!r} is no picture: a quiz is made of images, or of "
            "signals."
        )
    return picture.pixels


def _webp(picture: Pixels) -> bytes:
    """Return a picture as it is, or, where that is smaller, nearly so."""
    from PIL import Image

    files = []
    for exact in (True, False):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "WEBP", lossless=exact, quality=60 if exact else 88)
        files.append(file.getvalue())
    return min(files, key=len)
