"""A drawn figure in its files: SVG and PNG, a PDF where asked for, and its caption beside.

The same figure gives the same bytes: no dates, no random names inside.
"""

import html
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_sbir.durable import write_durably

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 200
_ALLOWED = (".svg", ".png", ".pdf")


@dataclass(frozen=True)
class Caption:
    """What a reader must know of a figure.

    Attributes:
        title: a line.
        text: what is shown, in words that stand for the picture where it cannot be seen.
        notes: seeds, what is missing, what was cut: a line each.
    """

    title: str
    text: str
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """The text of the file beside the figure."""
        notes = "".join(f"- {note}\n" for note in self.notes)
        return f"**{self.title}.** {self.text}\n" + (f"\n{notes}" if notes else "")


def check_out(out: Path | str) -> Path:
    """Return ``out`` as a path, refused before anything is drawn if it is no figure's.

    Raises:
        ValueError: another ending than .svg, .png or .pdf.
    """
    out = Path(out)
    if out.suffix not in _ALLOWED:
        raise ValueError(f"--out {out}: a figure's name ends in {', '.join(_ALLOWED)}")
    return out


def write_figure(figure: "Figure", caption: Caption, out: Path) -> list[str]:
    """Write a figure as SVG and PNG (200 dpi), as PDF too if ``out`` is one, and its caption as NAME.caption.md.

    Older files of these names are replaced, each in one step. Call it inside the figure's ``sheet``.

    Returns:
        A line that says what was written, and the caption's notes.

    Raises:
        ValueError: if ``out`` is no figure's name.
        OSError: if a file cannot be written.
    """
    out = check_out(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    endings = (".svg", ".png", ".pdf") if out.suffix == ".pdf" else (".svg", ".png")
    contents = {ending: _drawn(figure, caption, ending[1:]) for ending in endings}
    for ending, content in contents.items():
        write_durably(out.with_suffix(ending), content)
    write_durably(out.with_suffix(".caption.md"), caption.markdown().encode())
    return [*caption.notes, f"wrote {out.with_suffix('')} ({', '.join((*endings, '.caption.md'))})"]


def _drawn(figure: "Figure", caption: Caption, form: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, dpi=_DPI, facecolor="white", metadata=_metadata(caption, form))
    return _described(buffer.getvalue(), caption) if form == "svg" else buffer.getvalue()


def _metadata(caption: Caption, form: str) -> dict[str, Any]:
    if form == "png":
        return {"Title": caption.title, "Description": caption.text, "Software": None}
    if form == "pdf":
        return {"Title": caption.title, "Subject": caption.text, "CreationDate": None}
    return {"Title": caption.title, "Description": caption.text, "Date": None}


def _described(svg: bytes, caption: Caption) -> bytes:
    """Give an SVG what a screen reader looks for: the role of an image, named by its title and description."""
    text = svg.decode().replace("<svg ", '<svg role="img" aria-labelledby="title desc" ', 1)
    begin, end = text.index("<title>"), text.index("</title>") + len("</title>")
    words = (
        f'<title id="title">{html.escape(caption.title)}</title>\n <desc id="desc">{html.escape(caption.text)}</desc>'
    )
    return (text[:begin] + words + text[end:]).encode()
