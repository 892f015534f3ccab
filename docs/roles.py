"""Docstrings in this package use reStructuredText's roles and literal blocks; here they become Markdown."""

import re
from typing import Any

from griffe import Extension, NameResolutionError, Object

_ROLE = re.compile(r":(?:func|class|meth|mod|attr|data|exc):`~?([\w.]+)`")
_LITERAL_BLOCK = re.compile(r"::(?=\n\s*\n)")


class Roles(Extension):
    """Turn ``:func:`name``` into a link where the name stands on a page, and into code elsewhere."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Rewrite an object's docstring."""
        if obj.docstring is None:
            return
        text = _ROLE.sub(lambda found: _link(obj, found[1]), obj.docstring.value)
        obj.docstring.value = _LITERAL_BLOCK.sub(":", text)


def _link(obj: Object, name: str) -> str:
    """Return a link that is plain code where its target is on no page, or is none that can be found."""
    code = f"<code>{name.removeprefix('hybrid_sbir.')}</code>"
    try:
        full = name if name.startswith("hybrid_sbir") else obj.resolve(name)
    except NameResolutionError:
        return code
    return f'<autoref optional identifier="{full}">{code}</autoref>'
