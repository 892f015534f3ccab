"""What the server counts and times, in the form that Prometheus reads."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Meters:
    """Counters of one server.

    Attributes:
        requests: answered, by route, method and status.
        request_seconds: from a request's head to its answer's end, by route.
        stage_seconds: of one query: queue, prepare, embed, search, explain.
        batch_size: queries that the model was given at once.
        waiting: queries admitted and not answered yet.
        rejected: requests sent away, by reason.
        cut: connections closed for being slow or too many, by reason.
        photos: in the index.
        reloads: of the index, by result.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "hybrid_sbir_requests", "Requests answered", ["route", "method", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "hybrid_sbir_request_seconds", "Seconds a request", ["route"], buckets=_SECONDS, registry=self.registry
        )
        self.stage_seconds = Histogram(
            "hybrid_sbir_stage_seconds", "Seconds a query's stage", ["stage"], buckets=_SECONDS, registry=self.registry
        )
        self.batch_size = Histogram(
            "hybrid_sbir_batch_size", "Queries a batch", buckets=(1, 2, 4, 8, 16, 32, 64), registry=self.registry
        )
        self.waiting = Gauge("hybrid_sbir_queries_waiting", "Queries not answered yet", registry=self.registry)
        self.rejected = Counter("hybrid_sbir_rejected", "Requests sent away", ["reason"], registry=self.registry)
        self.cut = Counter("hybrid_sbir_connections_cut", "Connections closed", ["reason"], registry=self.registry)
        self.photos = Gauge("hybrid_sbir_index_photos", "Photos in the index", registry=self.registry)
        self.reloads = Counter("hybrid_sbir_index_reloads", "Reloads of the index", ["result"], registry=self.registry)

    def text(self) -> bytes:
        """Return all of it in Prometheus' text form."""
        return generate_latest(self.registry)
