"""Errors of the configuration in a line or two: the parser's own list every type it tried and every value it had."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

_NOISE = re.compile(
    r"^\s*(- Expected a <class 'NoneType'>|(- )?Does not validate against any of the Union subtypes|Subtypes: .*"
    r"|Errors:|Given value type: .*|Given value: (Namespace|NestedArg|\{|<).*)$"
)
_NO_CLASS = re.compile(r"Expected a dot import path string: (\w+)|not accessible or invalid")


def shorten(message: str, classes: Iterable[str] = ()) -> str:
    """Keep the parts of a parser's message that say what is wrong.

    Args:
        message: the parser's, over many lines.
        classes: names that could stand where it found no such class; the nearest are named.
    """
    lines = [line.strip().removeprefix("- ") for line in message.splitlines() if not _NOISE.match(line)]
    lines = [line for line in dict.fromkeys(lines) if line]
    if any("lightning.LightningDataModule" in line and "is not accepted" in line for line in lines):
        lines.append("name the data file (experiments/data/...) before overlays")
    unknown = [found for line in lines if (found := _NO_CLASS.search(line))]
    if unknown:
        name = next((found[1] for found in unknown if found[1]), "")
        known = [] if any("lr_scheduler" in line or "optimizer" in line for line in lines) else sorted(classes)
        choice = get_close_matches(name, known) or known
        lines = [line for line in lines if not _NO_CLASS.search(line) and not line.startswith("Given value")]
        there = f"; there are: {', '.join(choice)}" if choice else ""
        lines.append(f"no class '{name}'{there}" if name else "no such class")
    return " ".join(line if line.endswith((":", ".")) else f"{line};" for line in lines).rstrip(";")
