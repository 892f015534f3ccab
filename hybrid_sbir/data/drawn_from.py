"""``pairs.txt`` of a prepared data set: which photo each sketch was drawn from, where that is known."""

from collections.abc import Iterable
from pathlib import Path

from hybrid_sbir.data.listfile import ListFileError

PAIRS = "pairs.txt"


def read_pairs(root: Path | str) -> dict[str, str]:
    """Read the photo of each sketch, both as paths of the index; sketches without a photo in the set are left out.

    Args:
        root: the folder of a prepared data set.

    Raises:
        FileNotFoundError: if nothing is known of pairs there; the message says what to do.
        ListFileError: if a line is not ``sketch<TAB>photo``.
    """
    path = Path(root) / PAIRS
    if not path.is_file():
        raise FileNotFoundError(
            f"no {path}: of this set it is not known which photo a sketch was drawn from. Sketchy has it; one prepared "
            "by an older version must be prepared again (hybrid-sbir data prepare sketchy ... --overwrite true)"
        )
    pairs: dict[str, str] = {}
    for number, line in enumerate(path.read_bytes().decode("utf-8", "surrogateescape").split("\n"), start=1):
        sketch, tab, photo = line.partition("\t")
        if line and (not sketch or not tab or not photo or "\t" in photo or sketch in pairs):
            raise ListFileError(
                f"{path}, line {number}: expected sketch<TAB>photo, each sketch once, got {line[:80]!r}"
            )
        if line:
            pairs[sketch] = photo
    return pairs


def pairs_bytes(samples: Iterable[tuple[str, str, str]]) -> bytes:
    """Return ``sketch<TAB>photo`` lines, in the order of the sketches.

    Args:
        samples: path, domain (sketch, photo) and group of each sample; a group is a photo and what was drawn from it.
    """
    samples = list(samples)
    photo_of = {group: path for path, domain, group in samples if domain == "photo" and group}
    rows = [(path, photo_of[group]) for path, domain, group in samples if domain == "sketch" and group in photo_of]
    return "".join(f"{sketch}\t{photo}\n" for sketch, photo in rows).encode("utf-8", "surrogateescape")
