"""The application: routes, their description, and what stands before them."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from hybrid_sbir.search import SketchSearch
from hybrid_sbir.serving.access import Access
from hybrid_sbir.serving.engine import Engine
from hybrid_sbir.serving.guard import Guard
from hybrid_sbir.serving.limits import Limits
from hybrid_sbir.serving.meters import Meters
from hybrid_sbir.serving.problems import REASONS, Refused, problem_body
from hybrid_sbir.serving.queries import words
from hybrid_sbir.serving.reloading import IndexWatch
from hybrid_sbir.serving.routes import add_routes

_ABOUT = """\
Finds photos with sketches. A sketch is strokes, an image or an SVG drawing; the answer is the nearest photos of the
index, nearest first. Every error is one JSON object with the words for it."""


def create_app(
    index: Path,
    search: SketchSearch,
    *,
    access: Access | None = None,
    limits: Limits | None = None,
    meters: Meters | None = None,
    hosts: Collection[str] = (),
    threads: int = 1,
) -> ASGIApp:
    """Build the application.

    Args:
        index: the index's folder, watched for changes.
        search: the index, opened.
        access: who may ask; without it everybody.
        limits: of requests.
        meters: what is counted.
        hosts: names that a request may be for; none: any.
        threads: of the model.
    """
    import asyncio

    access, limits, meters = access or Access(None), limits or Limits(), meters or Meters()
    engine = Engine(search, limits, meters, threads)
    watch = IndexWatch(index, engine, meters, limits.look_seconds)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        await engine.warm_up()
        watching = asyncio.create_task(watch.run())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        engine.close()

    app = FastAPI(
        title="hybrid-sbir",
        description=_ABOUT,
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        redirect_slashes=False,
    )
    _say_problems(app)
    add_routes(app, engine, watch, access, limits, meters, index.name)
    return Guard(app, access, limits, meters, hosts)


def _say_problems(app: FastAPI) -> None:
    """Answer every error with a problem."""

    async def refused(request: Request, problem: Any) -> Response:
        return _response(problem.status, problem.message, problem.headers)

    async def known(request: Request, problem: Any) -> Response:
        return _response(problem.status_code, str(problem.detail), dict(problem.headers or {}))

    async def not_valid(request: Request, problem: Any) -> Response:
        return _response(422, words(problem) if isinstance(problem, ValidationError) else _said(problem.errors()))

    async def left(request: Request, problem: Any) -> Response:
        return _response(400, "the request broke off before its body was whole")

    async def unforeseen(request: Request, problem: Exception) -> Response:
        return _response(500, "the server made a mistake; its log says more")

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(HTTPException, known)
    app.add_exception_handler(RequestValidationError, not_valid)
    app.add_exception_handler(ClientDisconnect, left)
    app.add_exception_handler(Exception, unforeseen)


def _said(errors: Any) -> str:
    return "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in errors[:5])


def _response(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    words = message if status in REASONS else f"{status}: {message}"
    return Response(
        problem_body(status, words), status, {"Cache-Control": "no-store", **(headers or {})}, "application/json"
    )
