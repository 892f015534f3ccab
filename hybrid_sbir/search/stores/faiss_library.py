"""The FAISS library, where it is installed, and how many threads it takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def library() -> ModuleType:
    """Return the module.

    Raises:
        ImportError: if it is not installed; names the extra that brings it.
    """
    try:
        import faiss
    except ImportError as problem:
        raise ImportError(
            f"this kind of store needs FAISS ({problem}); pip install 'hybrid-sbir[search]', or make the index with "
            "the kind exact"
        ) from problem
    return faiss


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let FAISS work with ``count`` threads where it is called from this thread.

    One query is searched fastest by one thread: meeting a second one costs more than it saves, above all on a machine
    that does something else too. One thread also makes an index whose bytes are the same every time.
    """
    faiss = library()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
