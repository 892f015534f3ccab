"""What is looked at in an SVG before it is understood: entities, size, depth, and what its references multiply to.

expat reads the XML; nothing is fetched, no entity is expanded, no file but the one given is opened.
"""

from dataclasses import dataclass, field
from xml.parsers import expat

MAX_BYTES = 4 << 20
MAX_ELEMENTS = 20_000  # with what <use> repeats
MAX_DEPTH = 64
_STYLE_BYTES = 1 << 16  # of a style sheet, whose rules are looked up for every element
_XLINK = "http://www.w3.org/1999/xlink href"
_LONG = ("d", "points")  # attributes that may be long: paths


class SvgProblem(ValueError):
    """An SVG that cannot be used; the message says why."""


@dataclass
class _Element:
    name: str
    used: str = ""
    children: list["_Element"] = field(default_factory=list)


class _Watch:
    """Counts while expat reads."""

    def __init__(self) -> None:
        self.root: _Element | None = None
        self.named: dict[str, _Element] = {}
        self.open: list[_Element] = []
        self.elements, self.style = 0, 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(" ")[2]
        element = _Element(name)
        if name == "use":
            used = attributes.get("href", attributes.get(_XLINK, "#"))
            if not used.startswith("#"):
                raise SvgProblem(f"it uses something outside of itself ({used[:40]!r}); put it into the file")
            element.used = used[1:]
        self._check_attributes(name, attributes)
        self.elements += 1
        if len(self.open) >= MAX_DEPTH:
            raise SvgProblem(f"elements lie more than {MAX_DEPTH} deep in one another; ungroup some")
        if self.elements > MAX_ELEMENTS:
            raise SvgProblem(f"it has more than {MAX_ELEMENTS:,} elements; leave out some")
        if self.open:
            self.open[-1].children.append(element)
        elif name != "svg":
            raise SvgProblem(f"its outermost element is <{name[:40]}>, not <svg>")
        self.root = self.root or element
        if "id" in attributes:
            self.named[attributes["id"]] = element
        self.open.append(element)

    def end(self, name: str) -> None:
        self.open.pop()

    def text(self, data: str) -> None:
        if self.open and self.open[-1].name == "style":
            self.style += len(data)
            if self.style > _STYLE_BYTES:
                raise SvgProblem(f"its style sheet has more than {_STYLE_BYTES:,} letters; leave it out")

    def refuse_doctype(self, *_: object) -> None:
        raise SvgProblem("it has a DOCTYPE or entities, which are not read; save it without")

    @staticmethod
    def _check_attributes(name: str, attributes: dict[str, str]) -> None:
        for key, value in attributes.items():
            if len(value) > 2_000 and key not in _LONG and name != "image":
                raise SvgProblem(f"the attribute {key[-40:]!r} of a <{name[:40]}> has {len(value):,} letters")


def check_svg(content: bytes) -> None:
    """Refuse what could cost or reveal more than a drawing does.

    Raises:
        SvgProblem: if it is no SVG, too large or too deep, has entities, or refers to anything outside.
    """
    if len(content) > MAX_BYTES:
        raise SvgProblem(f"an SVG of {len(content):,} bytes; the limit is {MAX_BYTES:,}")
    watch = _Watch()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = watch.start, watch.end
    parser.CharacterDataHandler = watch.text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = watch.refuse_doctype
    parser.SkippedEntityHandler = watch.refuse_doctype
    try:
        parser.Parse(content, True)
    except expat.ExpatError as problem:
        raise SvgProblem(f"it is no whole XML: {problem}") from None
    assert watch.root is not None  # a document without an element is no whole XML
    _check_repeated(watch.root, watch.named)


def _check_repeated(root: _Element, named: dict[str, _Element]) -> None:
    """Count the elements with what <use> repeats, without repeating it."""
    counted: dict[int, tuple[int, int]] = {}
    within: set[int] = set()

    def count(element: _Element) -> tuple[int, int]:
        """How many elements, and how deep."""
        if id(element) in counted:
            return counted[id(element)]
        if id(element) in within:
            raise SvgProblem("a <use> repeats what it lies in itself")
        within.add(id(element))
        inner = [*element.children, *([named[element.used]] if element.used in named else [])]
        if len(within) > 2 * MAX_DEPTH:
            raise SvgProblem(f"<use> repeats what repeats what ..., more than {2 * MAX_DEPTH} deep")
        parts = [count(child) for child in inner]
        within.discard(id(element))
        counted[id(element)] = 1 + sum(total for total, _ in parts), 1 + max((deep for _, deep in parts), default=0)
        return counted[id(element)]

    total, deep = count(root)
    if total > MAX_ELEMENTS:
        raise SvgProblem(f"with what <use> repeats it has {total:,} elements; the limit is {MAX_ELEMENTS:,}")
    if deep > 2 * MAX_DEPTH:
        raise SvgProblem(f"with what <use> repeats its elements lie {deep} deep; the limit is {2 * MAX_DEPTH}")
