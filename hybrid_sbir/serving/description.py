"""Parts of the interface's description that do not follow from types."""

from typing import Any

from hybrid_sbir.serving.problems import REASONS, Problem
from hybrid_sbir.serving.queries import Drawing, Options

_FILE = {"type": "string", "format": "binary", "description": "an image file, or an SVG drawing"}
_OPTIONS = Options.model_json_schema()["properties"]

SKETCH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "the sketch: dark lines on light, or light on dark",
        "content": {
            "application/json": {"schema": Drawing.model_json_schema()},
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["sketch"], "properties": {"sketch": _FILE}},
            },
            "image/*": {"schema": _FILE},
        },
    },
    "parameters": [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": f"{about['description']} (of a file; strokes have it beside them)",
            "schema": {key: value for key, value in about.items() if key not in ("title", "description", "examples")},
            **({"style": "form", "explode": False} if name == "scales" else {}),
        }
        for name, about in _OPTIONS.items()
    ],
}

_PICTURE = {"schema": {"type": "string", "format": "binary"}}
PHOTO_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "the photo", "content": {"image/*": _PICTURE}},
    304: {"description": "the browser has it already"},
}
EXPLAIN_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "the sketch, and over it where the model looked", "content": {"image/png": _PICTURE}}
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe problems that a route answers with, besides those of every route."""
    every = (400, 401, 403, 408, 421, 500, 504)
    return {
        status: {"model": Problem, "description": REASONS[status].replace("_", " ")} for status in {*every, *statuses}
    }
