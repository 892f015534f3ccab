"""Making an index: planning, embedding batch by batch with a journal, putting the files together, switching."""

from hybrid_sbir.search.building.command import index

__all__ = ["index"]
