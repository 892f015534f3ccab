"""A request's body as a query: strokes in JSON, or an image or SVG file, raw or as a form's upload."""

import json
import warnings
from dataclasses import dataclass, field
from io import BytesIO
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError
from starlette.requests import Request

from hybrid_sbir.data.images import FORMATS
from hybrid_sbir.search.query import Sketch, kind_of
from hybrid_sbir.serving.limits import Limits
from hybrid_sbir.serving.problems import Refused

BOUNDS = Limits()
"""What the interface's description promises; a server may allow less."""

Coordinate = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
# FailFast: all that is wrong with a large body would take seconds to list, and most of a gigabyte.
Axis = Annotated[list[Coordinate], Field(min_length=1, max_length=BOUNDS.points), FailFast()]
Stroke = Annotated[list[Axis], Field(min_length=2, max_length=2), FailFast()]
Scale = Annotated[float, Field(ge=0.5, le=2.0, allow_inf_nan=False)]
_QUOTES = 200
"""Quotation marks in a drawing: twelve are needed for all its names."""


class Options(BaseModel):
    """How a query is searched."""

    model_config = ConfigDict(extra="forbid")
    k: int = Field(12, ge=1, le=BOUNDS.results, description="how many photos", examples=[12])
    mirror: bool = Field(False, description="whether the sketch's mirror image counts too")
    scales: list[Scale] = Field(
        [1.0],
        min_length=1,
        max_length=BOUNDS.scales,
        description="sizes at which the sketch is seen, as factors on its side, each once",
        examples=[[1.0]],
    )
    rerank: bool = Field(False, description="whether the photos found are ranked again by their neighbours")
    expand: int = Field(0, ge=0, le=20, description="how many photos found first are added to the query")

    @property
    def refined(self) -> bool:
        """Whether what is found first is looked at a second time."""
        return self.rerank or self.expand > 0


class Drawing(Options):
    """Strokes as they were drawn, y downwards, in any unit: where and how large makes no difference."""

    strokes: Annotated[list[Stroke], FailFast()] = Field(
        min_length=1,
        max_length=BOUNDS.strokes,
        description="each stroke is [[x, ...], [y, ...]]",
        examples=[[[[0, 100, 100, 0, 0], [0, 0, 80, 80, 0]], [[0, 50, 100], [0, -50, 0]]]],
    )


@dataclass(frozen=True)
class Query:
    """A sketch and how it is searched."""

    sketch: Sketch
    options: Options = field(default_factory=lambda: Options.model_validate({}))


async def read_query(request: Request, limits: Limits) -> Query:
    """Read what is asked.

    Raises:
        Refused: if the body is of another kind, or is not what its kind says.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return _drawn(await request.body(), limits)
    if kind == "multipart/form-data":
        return await _uploaded(request, limits)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return Query(_picture(await request.body(), limits), _options(dict(request.query_params)))
    raise Refused(415, f"a body of the kind '{kind}'; send application/json, multipart/form-data, or image/*")


def _drawn(body: bytes, limits: Limits) -> Query:
    if len(body) > limits.drawing_bytes:
        raise Refused(
            413, f"a drawing of {len(body):,} bytes; send at most {limits.drawing_bytes:,}, with fewer points or digits"
        )
    if body.count(b'"') > _QUOTES:  # thousands of unknown names, or of texts for numbers, are not looked at one by one
        raise Refused(422, "too many names or texts; a drawing is numbers, and one name an option")
    try:
        drawing = Drawing.model_validate_json(body)
    except ValidationError as problem:
        raise Refused(422, words(problem)) from None
    points = sum(len(axis) for stroke in drawing.strokes for axis in stroke) // 2
    if len(drawing.strokes) > limits.strokes or points > limits.points:
        raise Refused(
            413,
            f"a drawing of {len(drawing.strokes):,} strokes and {points:,} points; draw at most "
            f"{limits.strokes:,} strokes and {limits.points:,} points",
        )
    for number, (x, y) in enumerate(drawing.strokes, start=1):
        if len(x) != len(y):
            raise Refused(422, f"stroke {number} has {len(x)} x and {len(y)} y; give as many of both")
    strokes = [np.array(stroke, np.float64) for stroke in drawing.strokes]
    options = Options(**drawing.model_dump(exclude={"strokes"}))
    _each_once(options)
    return Query(strokes, options)


async def _uploaded(request: Request, limits: Limits) -> Query:
    from starlette.datastructures import UploadFile
    from starlette.exceptions import HTTPException

    try:
        async with request.form(max_files=1, max_fields=8, max_part_size=1 << 16) as form:
            fields: dict[str, Any] = dict(request.query_params)
            fields |= {name: value for name, value in form.items() if isinstance(value, str)}
            files = [value for value in form.values() if isinstance(value, UploadFile)]
            if len(files) != 1:
                raise Refused(422, "a form without a file; upload the sketch as a file called sketch")
            content = await files[0].read()
    except HTTPException as problem:
        raise Refused(422, f"the form cannot be read: {problem.detail}") from None
    return Query(_picture(content, limits), _options(fields))


def _picture(content: bytes, limits: Limits) -> Sketch:
    if not content:
        raise Refused(422, "an empty file; send an image or an SVG drawing")
    if kind_of(content) == "image":
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(BytesIO(content), formats=FORMATS) as image:
                width, height = image.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return content  # whoever decodes it says what is wrong
        if width * height > limits.pixels:
            most = limits.pixels / 1e6
            raise Refused(413, f"a picture of {width} x {height} pixels; send at most {most:g} megapixels")
    return content


def _options(fields: dict[str, Any]) -> Options:
    fields = dict(fields)
    if isinstance(text := fields.get("scales"), str):
        fields["scales"] = [part for part in text.split(",") if part.strip()]
    try:
        options = Options.model_validate(fields)
    except ValidationError as problem:
        raise Refused(422, words(problem)) from None
    _each_once(options)
    return options


def _each_once(options: Options) -> None:
    if len(set(options.scales)) < len(options.scales):
        raise Refused(422, f"scales: {json.dumps(options.scales)} has one twice; give each once")


def words(problem: ValidationError) -> str:
    """Say in a line what is wrong with values, the first five of them, without repeating the values."""
    errors = problem.errors(include_url=False, include_input=False, include_context=False)
    said = [f"{'.'.join(map(str, each['loc'])) or 'the body'}: {each['msg']}" for each in errors[:5]]
    return "; ".join([*said, f"and {len(errors) - 5} more"] if len(errors) > 5 else said)
