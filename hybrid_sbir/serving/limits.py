"""How much one request, one connection and all of them together may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds that hold whoever asks.

    Attributes:
        body_bytes: of a request's body.
        drawing_bytes: of strokes as JSON.
        token_bytes: of a body that brings the token; it is read of whoever has none yet.
        pixels: of a sketch that is uploaded.
        strokes: of one drawing.
        points: of one drawing, all strokes together.
        results: that a query may ask for.
        scales: that a query is seen at.
        queue: queries that may wait for the model; more are sent away with a time to come back.
        batch: queries that the model is given at once.
        refining: queries that may wait for a second look at what was found: re-ranked, or expanded.
        store_seconds: that a store on another machine may take.
        request_seconds: from a request's first line to its answer's last byte.
        header_seconds: within which a request's head must have arrived.
        connections: open at once.
        look_seconds: between two looks at whether the index has changed.
        stop_seconds: that requests in flight are given when the server is told to stop.
        thumbnail_bytes: of small pictures kept in memory.
        photo_bytes: of one photo's file.
    """

    body_bytes: int = 8 << 20
    drawing_bytes: int = 2 << 20
    token_bytes: int = 4 << 10
    pixels: int = 20_000_000
    strokes: int = 1_000
    points: int = 20_000
    results: int = 200
    scales: int = 5
    queue: int = 64
    batch: int = 16
    refining: int = 16
    store_seconds: float = 10.0
    request_seconds: float = 15.0
    header_seconds: float = 8.0
    connections: int = 256
    look_seconds: float = 2.0
    stop_seconds: float = 10.0
    thumbnail_bytes: int = 64 << 20
    photo_bytes: int = 64 << 20
