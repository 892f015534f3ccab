# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # What a position looks at
#
# An attention block computes a position's value from its neighbours' values, with weights that it makes from the
# features. This notebook shows those weights as the running model uses them:
#
# - **pairwise**: a softmax over the k x k footprint, one set of weights for each share group of channels;
# - **patchwise**: the same without softmax, so weights have signs;
# - **non-local**: a row of the position matrix, over the whole map subsampled 2 x 2.
#
# At the border the footprint is reflected into the map; circles mark positions that stand for such neighbours too.

# %%
import tempfile
from pathlib import Path

from IPython.display import Image

from hybrid_sbir.attention import attention_blocks, draw, eval_transform, footprints, load_model, look_at, save
from hybrid_sbir.cli import main
from hybrid_sbir.data.embedded import draw_sketch

EXPERIMENTS = Path("../experiments")  # this notebook's place is the folder notebooks/
work = Path(tempfile.mkdtemp(prefix="attention_"))

# %% [markdown]
# ## A model
#
# One with all three kinds, trained for a minute, so that there is something to see. Better: `make demo`, and then
# `model = "../demo/hib_patch_2_2"` or any run's folder below.

# %%
stages = (
    '[{"kind":"resnet","width":32,"depth":1},'
    '{"kind":"san","width":64,"depth":2,"attention":"pairwise","kernel_size":5,"nonlocal_at":[0]},'
    '{"kind":"san","width":64,"depth":1,"attention":"patchwise","kernel_size":5}]'
)
main(
    f"""fit --config {EXPERIMENTS}/base/classification.yaml --config {EXPERIMENTS}/data/embedded.yaml
    --config {EXPERIMENTS}/overlays/adamw.yaml --model.init_args.backbone {stages} --model.init_args.stem small
    --data.init_args.classes [cup,bicycle,cat,tree] --data.init_args.per_class 40 --data.init_args.eval_per_class 5
    --data.init_args.size 64 --data.init_args.channels 3 --data.init_args.batch_size 16 --data.init_args.num_workers 0
    --data.init_args.train_transform sketch_square_train --data.init_args.eval_transform sketch_square_eval
    --trainer.max_epochs 3 --trainer.accelerator cpu --trainer.enable_progress_bar false
    --trainer.enable_model_summary false --runs {work} --name model""".split()
)
model = work / "model"

# %% [markdown]
# ## An image, as the model sees it
#
# `eval_transform` takes the preparation from the run's own settings; `look_at` follows a pixel of the file through it.

# %%
draw_sketch("bicycle", 3, "test", size=256).save(work / "bicycle.png")
trained = load_model(model)
seen = look_at(work / "bicycle.png", eval_transform(trained.path, 3, "sketch"), at=(80, 150))
[(block.name, block.kind) for block in attention_blocks(trained.model)]

# %% [markdown]
# ## Footprints
#
# The names are STAGE.BLOCK, counted from 1. `weights` are those of the footprint, `on_map` lie on the map.

# %%
found = footprints(trained.model, seen.tensor, seen.at)
[(each.block, tuple(each.weights.shape), tuple(each.on_map.shape), each.cell) for each in found]

# %%
save(draw(seen.pixels, seen.at, found, caption="bicycle.png, pixel 80 150"), work / "attention.png")
Image(work / "attention.png", width=700)

# %% [markdown]
# A pairwise block's weights sum to 1 in every share group, whatever is reflected:

# %%
found[1].on_map.sum((1, 2))

# %% [markdown]
# From the shell: `hybrid-sbir attention --model RUN --image FILE --at X Y --out picture.pdf --blocks 2.2 --groups
# 0 1`; of a model with two branches `--domain sketch` or `--domain photo`.
