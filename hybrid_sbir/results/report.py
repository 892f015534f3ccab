"""The verb that prints runs beside the thesis's numbers, in a table a definition describes or one a kind of run."""

from collections.abc import Callable
from pathlib import Path

from hybrid_sbir.durable import write_durably
from hybrid_sbir.results.definition import ReportError, read_definition, read_reference
from hybrid_sbir.results.overview import columns_of, tables
from hybrid_sbir.results.records import RunRecord, read_runs
from hybrid_sbir.results.rendering import comma_separated, latex, markdown
from hybrid_sbir.results.table import Table, fill

_FORMS: dict[str, Callable[[Table], str]] = {".md": markdown, ".csv": comma_separated, ".tex": latex}


def report(runs: list[Path], table: Path | None = None, reference: Path | None = None, out: Path | None = None) -> str:
    """Print the results of runs, mean and deviation over seeds, beside published numbers.

    Args:
        runs: run folders or committed results, or folders of those.
        table: the definition of the table, experiments/table_4_1/table.yaml say; without one, runs of each kind are
            set side by side as they are.
        reference: published numbers for a table without a definition, a CSV file of ``row,top1,top5`` (or the columns
            of another kind) in percent, a row being named BACKBONE-ACTIVATION or as a run without its seed.
        out: a Markdown file to write too; beside it the same as .csv and .tex.

    Returns:
        The Markdown.

    Raises:
        ReportError: if there is nothing to report, or the definition or reference cannot be used.
    """
    if out is not None and out.suffix != ".md":
        raise ReportError(f"out is {out}; name a file that ends in .md (.csv and .tex are written beside it)")
    if table is not None and reference is not None:
        raise ReportError("give table or reference: the table's definition names its own reference")
    found, problems = read_runs(runs)
    made = [fill(read_definition(table), found)] if table else _overview(found, problems, reference)
    made[-1].problems[:0] = problems
    texts = {suffix: "\n".join(map(form, made)) for suffix, form in _FORMS.items()}
    for suffix, text in texts.items() if out is not None else ():
        assert out is not None
        out.parent.mkdir(parents=True, exist_ok=True)
        write_durably(out.with_suffix(suffix), text.encode())
    print(texts[".md"], end="")
    return texts[".md"]


def _overview(runs: list[RunRecord], problems: list[str], reference: Path | None) -> list[Table]:
    """A table of each kind, without what has no score yet."""
    scored = [run for run in runs if run.scores]
    for run in runs:
        if not run.scores:
            problems.append(f"{run.path}: no epoch has been validated, nothing tested: go on with it or evaluate it")
    if not scored:
        raise ReportError("; ".join(problems) or "no runs given; name at least one run's folder")
    if reference is None:
        return tables(scored)
    keys = {column.key for run in scored for column in columns_of(run.kind, [run])}
    return tables(scored, read_reference(reference, sorted(keys)))
