"""The routes: the page, searching, photos, and how the server is."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI, Query, Request
from starlette.responses import Response

from hybrid_sbir.serving import photos
from hybrid_sbir.serving.access import COOKIE, Access
from hybrid_sbir.serving.answers import Health, SearchAnswer, Token, answer_of
from hybrid_sbir.serving.description import EXPLAIN_ANSWER, PHOTO_ANSWER, SKETCH_BODY, problems
from hybrid_sbir.serving.engine import Engine
from hybrid_sbir.serving.limits import Limits
from hybrid_sbir.serving.meters import CONTENT_TYPE, Meters
from hybrid_sbir.serving.pages import page_files
from hybrid_sbir.serving.problems import Refused
from hybrid_sbir.serving.queries import read_query
from hybrid_sbir.serving.reloading import IndexWatch


def add_routes(
    app: FastAPI, engine: Engine, watch: IndexWatch, access: Access, limits: Limits, meters: Meters, name: str
) -> None:
    """Add all routes to ``app``."""
    _add_page(app, access)
    _add_search(app, engine, limits)
    _add_photos(app, engine, limits)
    _add_state(app, engine, watch, access, meters, name)


def _add_page(app: FastAPI, access: Access) -> None:
    shown = page_files()

    def page_file(request: Request, name: str) -> Response:
        if name not in shown:
            raise Refused(404, "the page has no such file")
        file = shown[name]
        headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == file.tag:
            return Response(status_code=304, headers=headers)
        return Response(file.content, 200, headers, file.kind)

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return page_file(request, "index.html")

    @app.get("/page/{name}", include_in_schema=False)
    async def part(request: Request, name: str) -> Response:
        return page_file(request, name)

    @app.post("/session", status_code=204, include_in_schema=False)
    async def session(token: Annotated[Token, Body()]) -> Response:
        if not access.token_fits(token.token):
            raise Refused(401, "this is not the token")
        answer = Response(status_code=204, headers={"Cache-Control": "no-store"})
        answer.set_cookie(COOKIE, access.cookie, httponly=True, samesite="strict", path="/")
        return answer


def _add_search(app: FastAPI, engine: Engine, limits: Limits) -> None:
    @app.post("/search", summary="Find photos for a sketch", responses=problems(413, 415, 422, 503),
              openapi_extra=SKETCH_BODY, response_model=SearchAnswer)  # fmt: skip
    async def search(request: Request) -> Response:
        """Strokes as JSON, with options beside them; or an image or SVG file, with options in the URL."""
        found = await engine.find(await read_query(request, limits))
        return Response(answer_of(found).model_dump_json(), 200, {"Cache-Control": "no-store"}, "application/json")

    @app.post("/explain", summary="Where the model looks", responses=EXPLAIN_ANSWER | problems(413, 415, 422, 503),
              openapi_extra=SKETCH_BODY, response_class=Response)  # fmt: skip
    async def explain(request: Request) -> Response:
        """What the middle of a sketch looks at in the model's attention blocks; of the options none matters."""
        picture = await engine.explain(await read_query(request, limits))
        return Response(picture, 200, {"Cache-Control": "no-store"}, "image/png")


def _add_photos(app: FastAPI, engine: Engine, limits: Limits) -> None:
    small = photos.Thumbnails(limits.thumbnail_bytes)

    @app.get("/photos/{photo:path}", summary="A photo of the index", responses=PHOTO_ANSWER | problems(404, 422),
             response_class=Response)  # fmt: skip
    async def show(
        request: Request, photo: str, size: Annotated[Literal["small", "full"], Query(description="of it")] = "full"
    ) -> Response:
        """The photo's own bytes, or a small JPEG of it."""
        search = engine.search
        if (entry := engine.entry(photo)) is None:
            raise Refused(404, "the index has no such photo")
        tag = f'"{entry.mtime_ns:x}-{entry.bytes:x}-{size}"'
        headers = {"ETag": tag, "Cache-Control": "private, max-age=600"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        key = (entry.id, entry.bytes, entry.mtime_ns)
        picture = small.get(key) if size == "small" else None
        if picture is None:
            make = photos.thumbnail if size == "small" else photos.whole
            picture = await asyncio.to_thread(make, search, photo, limits)
            if size == "small":
                small.put(key, picture)
        return Response(picture.content, 200, headers, picture.kind)


def _add_state(app: FastAPI, engine: Engine, watch: IndexWatch, access: Access, meters: Meters, name: str) -> None:
    @app.get("/health", summary="Whether it answers", response_model=Health, response_model_exclude_none=True)
    async def health(request: Request) -> dict[str, Any]:
        """Answers as soon as the index is open."""
        if not access.allows(dict(request.headers)):
            return {"ready": True}
        manifest = engine.search.manifest
        return {
            "ready": True, "photos": len(engine.search.photos), "embedding_size": manifest.embedding_size,
            "index": name, "model": str(manifest.model.get("name", "")), "store": str(manifest.store.get("kind", "")),
            "waiting": engine.admitted, "problem": watch.problem or None,
        }  # fmt: skip

    @app.get("/metrics", summary="Counters for Prometheus", response_class=Response)
    async def metrics() -> Response:
        """Requests, seconds a stage, queries waiting, requests sent away."""
        return Response(meters.text(), 200, {"Cache-Control": "no-store"}, CONTENT_TYPE)
