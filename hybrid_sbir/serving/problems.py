"""What a caller did wrong, or the server cannot do now, in words: one JSON object for all errors."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

REASONS = {
    400: "bad_request",
    401: "token_needed",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "too_slow",
    411: "length_required",
    413: "too_large",
    415: "unsupported_kind",
    421: "wrong_host",
    422: "not_understood",
    500: "internal",
    503: "busy",
    504: "took_too_long",
}


class Problem(BaseModel):
    """Every answer that is no success."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": 422, "error": "not_understood", "message": "k: 0 is below 1"}]}
    )
    status: int = Field(description="the HTTP status, once more", examples=[422])
    error: str = Field(description="a word for programs", examples=["not_understood"])
    message: str = Field(description="what was wrong, what is allowed, what to do", examples=["k: 0 is below 1"])


class Refused(Exception):
    """A request that is answered with a problem.

    Args:
        status: the HTTP status.
        message: what was got, what is allowed, what to do.
        headers: of the answer, besides the usual ones.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})


def problem_body(status: int, message: str) -> bytes:
    """Return the JSON of a problem."""
    return Problem(status=status, error=REASONS.get(status, "error"), message=message).model_dump_json().encode()
