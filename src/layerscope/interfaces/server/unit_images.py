"""The routes by which images of units are made: begun, watched, cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from layerscope.core.errors import InputError
from layerscope.instruments.features.ascent.watching import StepReport
from layerscope.interfaces.page.query import whole
from layerscope.interfaces.page.subject import PageSubject
from layerscope.interfaces.page.wire import MEDIA_TYPE, packed, plain_json
from layerscope.interfaces.server.jobs import Job, Jobs, Report
from layerscope.views.explorer.feature_image import image_panel

KIND = "unit images"
_BETWEEN = 0.25  #: seconds from one intermediate image to the next
_LASTING = ("step", "steps", "attempt", "value")  #: what is told of an image that is finished


def image_routes(
    subject: PageSubject, jobs: Jobs, clock: Callable[[], float] = time.monotonic
) -> list[Route]:
    """Return the routes of images of units."""

    async def start(request: Request) -> Response:
        address = request.query_params.get("address", "")
        if subject.images.reason:
            raise InputError(subject.images.reason)
        return _answer(
            jobs.start(KIND, address, lambda report: _made(subject, address, report, clock))
        )

    async def look(request: Request) -> Response:
        return _answer(jobs.get(_number(request)))

    async def image(request: Request) -> Response:
        data = jobs.get(_number(request)).report.get("image")
        if data is None:
            return Response(status_code=204)
        return Response(data, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})

    async def cancel(request: Request) -> Response:
        return _answer(jobs.cancel(_number(request)))

    return [
        Route("/api/images", start, methods=["POST"]),
        Route("/api/images/{number}", look),
        Route("/api/images/{number}/image", image),
        Route("/api/images/{number}/cancel", cancel, methods=["POST"]),
    ]


def _number(request: Request) -> int:
    return whole("image", request.path_params["number"])


def _made(
    subject: PageSubject, address: str, report: Callable[[Report], bool], clock: Callable[[], float]
) -> Report:
    """Make the image of a unit, reporting how far it is, and every now and then how it looks."""
    progress: Report = {}
    drawn = -_BETWEEN

    def watch(seen: StepReport) -> bool:
        nonlocal progress, drawn
        progress = {**progress, "step": seen.step, "steps": seen.steps, "attempt": seen.attempt}
        progress["value"] = seen.value
        if clock() - drawn >= _BETWEEN:
            image = image_panel(seen.images()[0], address, seen.input_range)
            progress |= {"image": packed(image), "images": progress.get("images", 0) + 1}
            drawn = clock()
        return report(progress)

    made = subject.visualize(address, watch)
    return {name: progress[name] for name in _LASTING if name in progress} | made


def _answer(job: Job) -> Response:
    """Return what the page is told of a job."""
    report = {name: value for name, value in job.report.items() if name != "image"}
    known = {"job": job.number, "address": job.key, "state": job.state, "error": job.error}
    text = plain_json({**known, **report})
    return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})
