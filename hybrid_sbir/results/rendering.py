"""A table's three forms: Markdown to read, CSV to compute with, LaTeX (booktabs) to print."""

import csv
import io
from collections.abc import Iterable

from hybrid_sbir.results.lines import Value
from hybrid_sbir.results.table import Heading, Row, Table

_WIDE = 11  # columns that fit a line
_PUBLISHED = "thesis"
_DIFFERENCE = "difference"
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "\u2212": r"$-$",
    "×": r"$\times$",
}


def markdown(table: Table) -> str:
    """Return the table in Markdown, its sentences as a list below it."""
    marked = any(row.mark for row in table.rows)
    labels = [_markdown_text(name) for name in table.labels]
    columns = [words for heading in table.headings for words in _words(heading)]
    lines = [f"**{_markdown_text(table.title)}**", ""] if table.title else []
    lines.append(_bar([*labels, "n", *map(_markdown_text, columns), *([table.marked] if marked else [])]))
    lines.append(_bar(["---"] * len(labels) + ["---:"] * (1 + len(columns)) + ["---"] * marked))
    for row in table.rows:
        cells = [cell for h, v in zip(table.headings, row.values, strict=True) for cell in _cells(h, v, "**{}**")]
        lines.append(_bar([*map(_markdown_text, row.labels), row.n, *cells, *([row.mark] if marked else [])]))
    said = [*table.notes, *(f"Left out: {problem}" for problem in table.problems)]
    return "\n".join([*lines, "", *(f"- {_markdown_text(words)}" for words in said)]) + "\n"


def comma_separated(table: Table) -> str:
    """Return the table in CSV, numbers in percent, a remark's words in the row they are about."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    names = [f"{h.key}{suffix}" for h in table.headings for suffix in _suffixes(h)]
    writer.writerow([*table.labels, "n", *names, table.marked])
    for row in table.rows:
        numbers = [cell for h, v in zip(table.headings, row.values, strict=True) for cell in _plain(h, v)]
        writer.writerow([*row.labels, row.n, *numbers, "; ".join(row.remarks) or row.mark])
    return text.getvalue()


def latex(table: Table) -> str:
    """Return the table in LaTeX; it needs the package booktabs and, to fit a wide one to the line, graphicx."""
    marked = any(row.mark for row in table.rows)
    columns = [words for heading in table.headings for words in _words(heading)]
    head = [*table.labels, "$n$", *columns, *([table.marked] if marked else [])]
    wide = len(head) > _WIDE
    lines = [
        rf"% \usepackage{{booktabs{',graphicx' if wide else ''}}}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_text(table.title)}}}",
        *([r"\resizebox{\linewidth}{!}{%"] if wide else []),
        rf"\begin{{tabular}}{{{'l' * len(table.labels)}{'r' * (1 + len(columns))}{'l' * marked}}}",
        r"\toprule",
        " & ".join(words if words == "$n$" else latex_text(words) for words in head) + r" \\",
        r"\midrule",
        *(_latex_row(table, row, marked) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}" + ("}" if wide else ""),
        r"\par\smallskip",
        r"\begin{minipage}{\linewidth}\footnotesize",
        *(latex_text(words) + r"\par" for words in [*table.notes, *(f"Left out: {each}" for each in table.problems)]),
        r"\end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def latex_text(words: str) -> str:
    """Escape what LaTeX would take for a command."""
    return "".join(_LATEX.get(letter, letter) for letter in words)


def _latex_row(table: Table, row: Row, marked: bool) -> str:
    cells = [latex_text(words) for words in [*row.labels, row.n]]
    for heading, value in zip(table.headings, row.values, strict=True):
        cells += (words.replace("\1", r"\textbf{").replace("\2", "}") for words in _escaped(heading, value))
    return " & ".join([*cells, *([row.mark] if marked else [])]) + r" \\"


def _escaped(heading: Heading, value: Value) -> Iterable[str]:
    return map(latex_text, _cells(heading, value, "\1{}\2"))  # bold between letters that no name has


def _words(heading: Heading) -> list[str]:
    """A heading's columns in print."""
    return [heading.words, f"{heading.words} {_PUBLISHED}", _DIFFERENCE] if heading.published else [heading.words]


def _cells(heading: Heading, value: Value, bold: str) -> list[str]:
    """A value's cells in print; ``bold`` is how the best is set."""
    own = _own(value, bold if value.best else "{}")
    if not heading.published:
        return [own or value.published]
    return [own, value.published or "-", "" if value.difference is None else _signed(value.difference)]


def _own(value: Value, form: str) -> str:
    if value.mean is None:
        return ""
    words = form.format(f"{value.mean:.2f}" + ("" if value.deviation is None else f" ± {value.deviation:.2f}"))
    words += f" (n = {value.n})" if value.partial else ""
    return words if value.low is None or value.high is None else f"{words} [{value.low:.2f}, {value.high:.2f}]"


def _signed(number: float) -> str:
    """A difference to two decimals, with a true minus; what rounds to zero has no sign."""
    words = f"{number:+.2f}".replace("-", "\u2212")
    return words[1:] if float(f"{number:.2f}") == 0 else words


def _suffixes(heading: Heading) -> list[str]:
    beside = [f"_{_PUBLISHED}", f"_{_DIFFERENCE}"] if heading.published else []
    return ["", "_deviation", "_n", "_low", "_high", *beside]


def _plain(heading: Heading, value: Value) -> list[str]:
    own = [value.mean, value.deviation, None, value.low, value.high]
    cells = ["" if number is None else f"{number:.4f}" for number in own]
    cells[2] = str(value.n)
    if not heading.published:
        return [cells[0] or value.published, *cells[1:]]
    return [*cells, value.published, "" if value.difference is None else f"{value.difference:.4f}"]


def _bar(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown_text(words: str) -> str:
    """Text on one line that ends no cell and opens no tag."""
    return words.replace("\\", "\\\\").replace("|", r"\|").replace("<", r"\<").replace("\n", " ")
