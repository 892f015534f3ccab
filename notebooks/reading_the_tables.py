# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Reading the tables
#
# The results of every row that was run are committed below `experiments/table_4_N/PRESET`: `metrics.json`, with
# the scores, the settings, the versions and the data's fingerprint, and `metrics.csv`, the curve. The same
# commands read a folder of one's own runs, `runs/table-4.1/quick` say.

# %%
import tempfile
from pathlib import Path

from IPython.display import Image, Markdown

from hybrid_sbir.figures.cost import cost
from hybrid_sbir.figures.curves import curves
from hybrid_sbir.results.definition import read_definition
from hybrid_sbir.results.records import read_runs
from hybrid_sbir.results.rendering import markdown
from hybrid_sbir.results.table import fill

EXPERIMENTS = Path("../experiments")  # this notebook's place is the folder notebooks/
work = Path(tempfile.mkdtemp(prefix="tables_"))

# %% [markdown]
# ## A run
#
# `read_runs` finds the runs in a folder, and says in words what is missing or damaged.

# %%
runs, problems = read_runs([EXPERIMENTS / "table_4_1" / "quick"])
[(run.name, run.scores, run.finished, run.device.get("type")) for run in runs]

# %%
problems

# %% [markdown]
# ## A table
#
# A table is defined in a few lines of YAML: rows, columns, the thesis's numbers, and the thesis's regime. A row
# that was not run says so, and what a regime lacks is said under the table. From the shell: `hybrid-sbir report
# RUNS --table experiments/table_4_1/table.yaml`.

# %%
Markdown(markdown(fill(read_definition(EXPERIMENTS / "table_4_1" / "table.yaml"), runs)))

# %% [markdown]
# Retrieval, with two recipes: what the thesis's published code ran, and what answers its defects.

# %%
retrieval, problems = read_runs([EXPERIMENTS / "table_4_4" / "quick"])
Markdown(markdown(fill(read_definition(EXPERIMENTS / "table_4_4" / "table.yaml"), retrieval)))

# %% [markdown]
# ## Curves
#
# Validation over the epochs. From the shell: `hybrid-sbir figure curves RUNS --out curves.svg`.

# %%
notes = curves([EXPERIMENTS / "table_4_1" / "quick"], out=work / "curves.png", width="column")
Image(work / "curves.png", width=420)

# %% [markdown]
# ## Is a hybrid worth it?
#
# Accuracy against what a backbone costs. The costs are measured on the models of the thesis; the notes say where a run
# used narrower ones. The same of all the thesis's variants: give `experiments/table_4_1/thesis.csv` in the place of the
# folder of runs, with `--only '*-pre'`.

# %%
notes = cost(
    [EXPERIMENTS / "table_4_1" / "quick"], measured=EXPERIMENTS / "table_3_1" / "cpu.json", out=work / "cost.png"
)
Image(work / "cost.png", width=760)

# %%
notes
