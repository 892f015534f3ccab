"""What is looked at in an SVG before it is understood: entities, size, depth, and what its references multiply to.

expat reads the XML; nothing is fetched, no entity is expanded, no file but the one given is opened.
"""

import re
from dataclasses import dataclass, field
from xml.parsers import expat

MAX_BYTES = 2 << 20
MAX_ELEMENTS = 20_000  # with what <use> repeats
MAX_DEPTH = 64
_STYLE_LETTERS = 1 << 13  # of a style sheet; it is read with patterns that take the square of its length
_XLINK = "http://www.w3.org/1999/xlink href"
_MAX_NUMBERS = 120_000  # in all paths together: six a point, as curves have
_MAX_COMMANDS = 20_000  # letters in all paths together
_MAX_REPEATED = 8_000_000  # letters of transforms and style rules, with the elements that inherit or look them up
_COMMAND, _NUMBER = re.compile("[A-DF-Za-df-z]"), re.compile(r"[0-9]+\.?|\.[0-9]+")
_LONG = ("d", "points")  # attributes that may be long: paths


class SvgProblem(ValueError):
    """An SVG that cannot be used; the message says why."""


@dataclass
class _Element:
    name: str
    used: str = ""
    transform: int = 0
    children: list["_Element"] = field(default_factory=list)


class _Watch:
    """Counts while expat reads."""

    def __init__(self) -> None:
        self.root: _Element | None = None
        self.named: dict[str, _Element] = {}
        self.open: list[_Element] = []
        self.elements, self.style, self.classes, self.numbers, self.commands, self.braces = 0, 0, 0, 0, 0, 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(" ")[2]
        element = _Element(name)
        if name == "use":
            used = attributes.get("href", attributes.get(_XLINK, "#"))
            if not used.startswith("#"):
                raise SvgProblem(f"it uses something outside of itself ({used[:40]!r}); put it into the file")
            element.used = used[1:]
        self._check_attributes(name, attributes)
        element.transform = len(attributes.get("transform", "")) + len(attributes.get("style", ""))
        self.classes = max(self.classes, len(attributes.get("class", "").split()))
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
        if self.open.pop().name == "style" and self.braces:
            raise SvgProblem("its style sheet has a brace that is not closed; leave it out")

    def text(self, data: str) -> None:
        if self.open and self.open[-1].name == "style":
            self.style += len(data)
            for brace in re.findall("[{}]", data):
                self.braces += 1 if brace == "{" else -1
                if self.braces not in (0, 1):
                    raise SvgProblem("its style sheet has braces in one another; leave it out")
            if self.style > _STYLE_LETTERS:
                raise SvgProblem(f"its style sheet has more than {_STYLE_LETTERS:,} letters; leave it out")

    def refuse_doctype(self, *_: object) -> None:
        raise SvgProblem("it has a DOCTYPE or entities, which are not read; save it without")

    def _check_attributes(self, name: str, attributes: dict[str, str]) -> None:
        for key in _LONG:
            self.numbers += len(_NUMBER.findall(attributes.get(key, "")))
            self.commands += len(_COMMAND.findall(attributes.get(key, "")))
        if self.numbers > _MAX_NUMBERS or self.commands > _MAX_COMMANDS:
            raise SvgProblem(
                f"its paths have more than {_MAX_NUMBERS:,} numbers or {_MAX_COMMANDS:,} commands; simplify them"
            )
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
    except (expat.ExpatError, LookupError) as problem:  # the latter of an encoding that Python does not know
        raise SvgProblem(f"it is no whole XML: {problem}") from None
    _check_repeated(watch)


def _check_repeated(watch: _Watch) -> None:
    """Count the elements with what <use> repeats, without repeating it."""
    named = watch.named
    counted: dict[int, tuple[int, int, int]] = {}
    within: set[int] = set()

    def count(element: _Element) -> tuple[int, int, int]:
        """How many elements, how deep, and how long the transforms that the deepest one inherits."""
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
        totals, depths, lengths = zip(*parts, strict=True) if parts else ((0,), (0,), (0,))
        counted[id(element)] = 1 + sum(totals), 1 + max(depths), element.transform + max(lengths)
        return counted[id(element)]

    assert watch.root is not None
    total, deep, length = count(watch.root)
    if total * length > _MAX_REPEATED or total * watch.style * (3 + watch.classes) > 8 * _MAX_REPEATED:
        raise SvgProblem("its transforms or style rules are too long for so many elements; simplify them")
    if total > MAX_ELEMENTS:
        raise SvgProblem(f"with what <use> repeats it has {total:,} elements; the limit is {MAX_ELEMENTS:,}")
    if deep > 2 * MAX_DEPTH:
        raise SvgProblem(f"with what <use> repeats its elements lie {deep} deep; the limit is {2 * MAX_DEPTH}")
