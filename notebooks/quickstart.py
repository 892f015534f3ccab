# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Quickstart: train, retrieve, look
#
# Everything here runs on the embedded set, which the package draws itself: nothing is downloaded, no GPU is
# needed. The settings are tiny, so that the whole takes a minute; `make demo` does the same in earnest.
#
# A cell calls the command line as a shell would: `main("fit --name x".split())` is `hybrid-sbir fit --name x`.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from IPython.display import Image, Markdown

from hybrid_sbir.cli import main
from hybrid_sbir.data.embedded import EmbeddedStore, contact_sheet
from hybrid_sbir.results.records import read_run

EXPERIMENTS = Path("../experiments")  # this notebook's place is the folder notebooks/
work = Path(tempfile.mkdtemp(prefix="quickstart_"))  # name a folder of your own to keep what is made here

# %% [markdown]
# ## What it is trained on
#
# Sketches and photos of the same classes; here the eight of them that are used below.

# %%
names = ("bicycle", "cat", "cup", "chair", "umbrella", "fish", "key", "tree")
sketches = EmbeddedStore(domain="sketch", per_class=2, size=144, classes=names)
photos = EmbeddedStore(domain="photo", per_class=2, size=144, classes=names)
contact_sheet([sketches, photos], columns=2, size=72)

# %% [markdown]
# ## Stage 1: a classifier of sketches
#
# Layers of configuration, then options: the thesis's regime, the data, what suits two cores, and tiny numbers. The
# backbone is one of the thesis's hybrids, `hib_patch_2_2`: two stages of ResNet26, then two of patchwise attention.

# %%
classes = f"--data.init_args.classes [{','.join(names)}]"
tiny = "--model.init_args.stem tiny --model.init_args.width 0.125 --trainer.accelerator cpu"
quiet = "--trainer.enable_progress_bar false --trainer.enable_model_summary false"
main(
    f"""fit --config {EXPERIMENTS}/base/classification.yaml --config {EXPERIMENTS}/data/embedded.yaml
    --config {EXPERIMENTS}/overlays/quick.yaml --config {EXPERIMENTS}/overlays/adamw.yaml
    --model.init_args.backbone hib_patch_2_2 {tiny} {quiet} {classes} --trainer.max_epochs 4
    --data.init_args.size 32 --data.init_args.channels 3 --data.init_args.per_class 40
    --data.init_args.eval_per_class 10 --data.init_args.batch_size 16 --data.init_args.num_workers 0
    --data.init_args.pack {work}/packed
    --data.init_args.train_transform sketch_square_train --data.init_args.eval_transform sketch_square_eval
    --runs {work} --name sketches""".split()
)

# %% [markdown]
# A run leaves `metrics.csv`, `metrics.json`, `config.yaml` and checkpoints; `read_run` reads them back. Chance is
# one in eight.

# %%
run = read_run(work / "sketches")
plt.figure(figsize=(4, 2.4), layout="constrained")
plt.plot([epoch["epoch"] for epoch in run.curve], [100 * epoch["val/top1"] for epoch in run.curve], "o-")
plt.xlabel("epoch")
plt.ylabel("validation top-1, %")
plt.show()

# %% [markdown]
# ## Stage 2: two branches that meet
#
# One branch for sketches, one for photos; the last stages are shared. Both start from the classifier above (a
# classifier of photos would suit the second one better: see `make demo`). Every pair of a sketch and a photo of
# one class attracts.

# %%
main(
    f"""fit --config {EXPERIMENTS}/base/contrastive.yaml --config {EXPERIMENTS}/data/embedded_pairs.yaml
    --config {EXPERIMENTS}/recipes/modern.yaml --config {EXPERIMENTS}/recipes/modern_contrastive.yaml
    --config {EXPERIMENTS}/overlays/quick.yaml --checkpoints.monitor val/map
    --model.init_args.backbone hib_patch_2_2 {tiny} {quiet} --trainer.max_epochs 4
    --model.init_args.freeze_private false
    --model.init_args.init_sketch {work}/sketches/checkpoints/best.ckpt
    --model.init_args.init_photo {work}/sketches/checkpoints/best.ckpt
    --data.init_args.sketches.init_args.classes [{",".join(names)}]
    --data.init_args.photos.init_args.classes [{",".join(names)}]
    --data.init_args.sketches.init_args.per_class 40 --data.init_args.photos.init_args.per_class 40
    --data.init_args.sketches.init_args.eval_per_class 10 --data.init_args.photos.init_args.eval_per_class 10
    --data.init_args.size 32 --data.init_args.batch_size 32 --data.init_args.num_workers 0
    --data.init_args.pseudo_sketches 0 --data.init_args.pack {work}/packed
    --runs {work} --name pairs""".split()
)

# %% [markdown]
# ## Retrieve, and look
#
# `test` ranks the test photos for every test sketch; `predict` writes the embeddings, of which figures and pages are
# drawn. A random order of eight classes has a mean average precision of about 15 %.

# %%
main(f"test --config {work}/pairs/config.yaml --trainer.enable_progress_bar false".split())
main(f"predict --config {work}/pairs/config.yaml --trainer.enable_progress_bar false".split())
scores = read_run(work / "pairs").scores
Markdown("\n".join(f"- {name}: {100 * value:.1f} %" for name, value in scores.items() if name.startswith("test/")))

# %%
main(f"figure found {work}/pairs --out {work}/found.png --queries 5".split())
Image(work / "found.png", width=760)

# %% [markdown]
# The same as a page to send around, with all queries: `hybrid-sbir gallery`.

# %%
main(f"gallery {work}/pairs --out {work}/retrieval.html".split())
Markdown(f"A page that needs nothing else: {work / 'retrieval.html'}")
