# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Your own sketches and photos
#
# Two folders of class folders, with the same names in both:
#
#     sketches/cat/1.png   sketches/cup/a.jpg   ...
#     photos/cat/77.jpg    photos/cup/b.png     ...
#
# Any sizes and formats; transparent images count as drawn on white paper. Put yours in the place of the two paths
# below. The numbers of this notebook are tiny, to be done in a minute: for yours leave out what is marked, and
# see the README,
# "Finding photos for sketches".

# %%
import tempfile
from pathlib import Path

from IPython.display import Image

from hybrid_sbir.cli import main
from hybrid_sbir.data.embedded import EmbeddedStore, contact_sheet
from hybrid_sbir.data.embedded.as_files import write_folder
from hybrid_sbir.data.stores.file_store import FolderStore

EXPERIMENTS = Path("../experiments")  # this notebook's place is the folder notebooks/
work = Path(tempfile.mkdtemp(prefix="own_"))  # name a folder of your own to keep what is made here

# %% [markdown]
# ## The folders
#
# A stand-in, drawn by the package: twenty sketches and twenty photos of four classes. Replace both lines by
# `sketches = Path("where/your/sketches/are")` and the like.

# %%
names = ("bicycle", "cat", "cup", "tree")
sketches = write_folder(EmbeddedStore(domain="sketch", per_class=20, size=96, classes=names), work / "sketches")
photos = write_folder(EmbeddedStore(domain="photo", per_class=20, size=96, classes=names), work / "photos", ".jpg")

# %%
contact_sheet([FolderStore(sketches), FolderStore(photos)], columns=2, samples=3)

# %% [markdown]
# ## Stage 1: a classifier of each
#
# `tiny` is what to leave out for real: with it images have 32 pixels and the networks an eighth of their width.

# %%
tiny = "--model.init_args.stem tiny --model.init_args.width 0.125 --trainer.max_epochs 2"
quiet = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.enable_model_summary false"
one = f"""--config {EXPERIMENTS}/base/classification.yaml --config {EXPERIMENTS}/data/folder.yaml
    --config {EXPERIMENTS}/overlays/quick.yaml --config {EXPERIMENTS}/overlays/adamw.yaml {tiny} {quiet}
    --data.init_args.size 32 --data.init_args.channels 3 --data.init_args.batch_size 16 --data.init_args.num_workers 0
    --runs {work}"""
main(
    f"""fit {one} --data.init_args.root {sketches} --name classify_sketches
    --data.init_args.train_transform sketch_square_train --data.init_args.eval_transform sketch_square_eval""".split()
)
main(
    f"""fit {one} --data.init_args.root {photos} --name classify_photos
    --data.init_args.train_transform photo_train --data.init_args.eval_transform photo_eval""".split()
)

# %% [markdown]
# ## Stage 2: two branches
#
# With many classes hold some out and select by them (`--data.init_args.held_out`, README); four are too few for that.

# %%
main(
    f"""fit --config {EXPERIMENTS}/base/contrastive.yaml --config {EXPERIMENTS}/data/folders.yaml
    --config {EXPERIMENTS}/recipes/modern.yaml --config {EXPERIMENTS}/recipes/modern_contrastive.yaml
    --config {EXPERIMENTS}/overlays/quick.yaml --checkpoints.monitor val/map {tiny} {quiet}
    --model.init_args.init_sketch {work}/classify_sketches/checkpoints/best.ckpt
    --model.init_args.init_photo {work}/classify_photos/checkpoints/best.ckpt
    --data.init_args.sketches.init_args.root {sketches} --data.init_args.photos.init_args.root {photos}
    --data.init_args.size 32 --data.init_args.batch_size 16 --data.init_args.num_workers 0
    --runs {work} --name pairs""".split()
)

# %% [markdown]
# ## Retrieve, and look
#
# Each validation sketch searches the validation photos; with so little training the order is hardly better than
# chance.

# %%
main(f"predict --config {work}/pairs/config.yaml --trainer.enable_progress_bar false".split())
main(f"figure found {work}/pairs --out {work}/found.png --queries 4".split())
Image(work / "found.png", width=760)
