# The contents page: `make help` lists the targets. Files are targets, so what is finished is never done again.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN := $(BIN)/hybrid-sbir

# glibc gives large tensors back to the kernel at every step; a third of a CPU run's time went there.
export MALLOC_MMAP_MAX_ ?= 0
export MALLOC_TRIM_THRESHOLD_ ?= -1
# A thread that waits spins first; beside any other busy process two spinning threads hold each other up tenfold.
export GOMP_SPINCOUNT ?= 1000

.PHONY: help setup demo test test-slow test-gpu lint format data-tu-berlin data-quickdraw train-gpu tables plan-4.1 plan-4.2 plan-4.3 plan-4.4
.PHONY: table-4.1 table-4.2 table-4.3 table-4.4 table-4.4-ablation bench-ops bench-gpu table-3.1 bench-loading bench-ranking clean
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed  ## create the environment (.venv) with the package and its tools
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "hybrid_sbir needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12 setup"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# ---- checks ----
test: setup  ## run the tests (within 12 minutes on two cores)
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: setup  ## run the tests marked slow too
	$(BIN)/python -m pytest -n 2 --dist worksteal --slow

# The sanitizer comes with the CUDA toolkit. Without PyTorch's pool an overrun leaves its own allocation.
SANITIZER := $(shell command -v compute-sanitizer)
SANITIZE = PYTORCH_NO_CUDA_MEMORY_CACHING=1 $(SANITIZER) --error-exitcode 9 --target-processes all
GPU_TESTS := -m gpu -rs
test-gpu: setup  ## on a GPU: its tests, and the kernels under compute-sanitizer where that is installed
	$(BIN)/python -m pytest $(GPU_TESTS)
	$(if $(SANITIZER),$(foreach tool,memcheck racecheck,$(SANITIZE) --tool $(tool) \
	  $(BIN)/python -m pytest tests/ops/kernels/cuda $(GPU_TESTS) -k 'not beyond_32_bit and not captured_graph' &&) true,\
	  @echo "compute-sanitizer is not installed: memcheck and racecheck were skipped")

lint: setup  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

include docs/rules.mk

format: setup  ## rewrite the files in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# ---- demo: the embedded set, nothing downloaded ----
DEMO := demo
DEMO_MODELS := resnet26 hib_patch_2_2
DEMO_BACKBONE := hib_patch_2_2
DEMO_CONFIG := --config experiments/base/classification.yaml --config experiments/data/embedded.yaml \
  --config experiments/overlays/quick.yaml --config experiments/overlays/demo.yaml --runs $(DEMO) \
  --data.init_args.train_transform sketch_square_train --data.init_args.eval_transform sketch_square_eval
# One stage of retrieval: $(1) contrastive or triplet.
demo_stage = --config experiments/base/$(1).yaml --config experiments/data/embedded_pairs.yaml \
  --config experiments/recipes/modern.yaml --config experiments/recipes/modern_$(1).yaml --config experiments/overlays/quick.yaml \
  --config experiments/recipes/demo.yaml --model.init_args.backbone $(DEMO_BACKBONE) --runs $(DEMO)

demo: $(DEMO_MODELS:%=$(DEMO)/%/.done) $(DEMO)/stage3/.done $(DEMO)/index/manifest.json  ## train on the embedded set: classify sketches, then find photos for them; draw pages, index photos
	$(RUN) report $(DEMO_MODELS:%=$(DEMO)/%) --out $(DEMO)/comparison.md
	$(RUN) gallery $(DEMO_MODELS:%=$(DEMO)/%) --out $(DEMO)/predictions.html --title 'Embedded sketches'
	$(RUN) gallery $(DEMO)/stage2 $(DEMO)/stage3 --out $(DEMO)/retrieval.html --title 'Photos found for embedded sketches'
	@echo "Pages: $(DEMO)/predictions.html (classes of test sketches), $(DEMO)/retrieval.html (test sketches and the photos found for them)"
	@echo "Draw a sketch and find photos: $(RUN) serve --index $(DEMO)/index (or: make serve-demo)"

# What is searched there: photos that no stage has seen.
.PHONY: serve-demo
PORT ?= 8000
serve-demo: $(DEMO)/index/manifest.json  ## draw a sketch in the browser and find the demo's photos (PORT)
	$(RUN) serve --index $(DEMO)/index --port $(PORT) --browser true

$(DEMO)/index/manifest.json: $(DEMO)/stage3/.done
	rm -rf $(@D) $(DEMO)/photos_catalogue
	$(RUN) data draw --out $(DEMO)/photos_catalogue --per_class 12 --size 160
	$(RUN) index --model $(DEMO)/stage3 --photos $(DEMO)/photos_catalogue --out $(@D)

$(DEMO_MODELS:%=$(DEMO)/%/.done): $(DEMO)/%/.done: | setup
	$(RUN) fit $(DEMO_CONFIG) --model.init_args.backbone $* --name $* --ckpt_path last
	$(RUN) validate $(DEMO_CONFIG) --model.init_args.backbone $* --name $*
	$(RUN) predict $(DEMO_CONFIG) --model.init_args.backbone $* --name $*
	touch $@

# Stage 1 is the classifier of sketches above and this one of photos; each stage starts from the best state of the one before.
$(DEMO)/photos/.done: | setup
	$(RUN) fit --config experiments/base/classification.yaml --config experiments/data/embedded_photos.yaml \
	  --config experiments/overlays/quick.yaml --config experiments/overlays/demo.yaml --runs $(DEMO) \
	  --model.init_args.backbone $(DEMO_BACKBONE) --name photos --ckpt_path last
	touch $@
$(DEMO)/stage2/.done: $(DEMO)/$(DEMO_BACKBONE)/.done $(DEMO)/photos/.done
	$(RUN) fit $(call demo_stage,contrastive) --name stage2 --ckpt_path last --trainer.max_epochs 3 \
	  --model.init_args.init_sketch $(DEMO)/$(DEMO_BACKBONE)/checkpoints/best.ckpt \
	  --model.init_args.init_photo $(DEMO)/photos/checkpoints/best.ckpt
	$(demo_scores)
$(DEMO)/stage3/.done: $(DEMO)/stage2/.done
	$(RUN) fit $(call demo_stage,triplet) --name stage3 --ckpt_path last --trainer.max_epochs 2 \
	  --model.init_args.init_from $(DEMO)/stage2/checkpoints/best.ckpt
	$(demo_scores)
define demo_scores
$(RUN) test --config $(@D)/config.yaml
	$(RUN) predict --config $(@D)/config.yaml
	touch $@
endef

# ---- data: DATA is a folder of prepared data, or where official archives lie (at its top or in a folder a set) ----
DATA ?= data
include experiments/data/rules.mk

# ---- the thesis's tables: PRESET=quick|thesis, VARIANTS="resnet26-pre ...", SEEDS="0 1 2", DEVICES, OPTIONS ----
PRESET ?= quick
SEEDS ?= 0
DEVICES ?= 1
ACCELERATOR ?= $(if $(filter quick,$(PRESET)),cpu,auto)
OPTIONS ?=
include experiments/rows.mk
include $(filter-out experiments/data/rules.mk,$(sort $(wildcard experiments/*/rules.mk)))

tables: table-3.1 table-4.1 table-4.2 table-4.3 table-4.4  ## all of them, one after the other or with -j2 two rows at a time

plan-4.1:  ## hours and disk of Table 4.1 here, from a few real steps, before anything starts (PRESET, SEEDS, VARIANTS, DEVICES)
plan-4.2:  ## likewise of Table 4.2
plan-4.3:  ## likewise of Table 4.3 and of what it needs of Table 4.2
plan-4.4:  ## likewise of Table 4.4 and of what its rows stand on
given = $(if $(filter command environment,$(firstword $(origin $(1)))),$(1)="$($(1))")
$(TABLES:%=plan-%): plan-%: | setup
	$(RUN) plan table-$* --preset $(PRESET) --seeds $(SEEDS) $(if $(VARIANTS),--variants $(subst :,-,$(VARIANTS))) \
	  --make 'make $(foreach v,DATA DEVICES ACCELERATOR OPTIONS,$(call given,$(v)))'

# Packed at a shorter side of 256: sketches larger than that are shrunk before the random crop, not after it.
EPOCHS ?= 100
train-gpu:  ## the thesis's TU-Berlin regime at 224 x 224 for VARIANTS on a GPU, in EPOCHS
	$(MAKE) table-4.1 PRESET=thesis ACCELERATOR=gpu \
	  OPTIONS='--trainer.max_epochs $(EPOCHS) --data.init_args.num_workers 12 --data.init_args.pack data/packed'

# ---- measurements: on a GPU where there is one; DEVICE=cpu|cuda|cuda:N chooses ----
DEVICE ?=
SIZE ?=
BATCH ?=
DTYPES ?=
PUBLISHED ?=
BENCH := runs/bench
option = $(if $(strip $(2)),--$(1) '$(strip $(2))')
measured_options = $(call option,device,$(DEVICE)) $(call option,batch,$(BATCH)) $(call option,dtypes,$(DTYPES))

bench-ops: setup  ## each operator and block beside the published layout: time, bandwidth, memory (DEVICE, BATCH, DTYPES)
	$(RUN) bench ops $(measured_options) --out $(BENCH)/ops.json

# Compiled definitions at one size: each takes the compiler tens of seconds.
bench-gpu: setup  ## the same on a GPU in float32 and bfloat16, and beside torch.compile
	$(RUN) bench ops --device cuda --dtypes float32,bfloat16 --out $(BENCH)/gpu.json
	$(RUN) bench ops --device cuda --sizes 28:128 --compiled true --out $(BENCH)/gpu_compiled.json

# Of a row's name, resnet26-pre, the backbone is measured. PRESET=thesis: its size and batch.
MEASURED = $(sort $(foreach v,$(VARIANTS),$(firstword $(subst -, ,$(subst :, ,$(v))))))
T31_SIZE = $(or $(SIZE),$(if $(filter thesis,$(PRESET)),224))
T31_BATCH = $(or $(BATCH),$(if $(filter thesis,$(PRESET)),64))
table-3.1: setup  ## time and memory of the variants beside the thesis's (PRESET, VARIANTS; DEVICE, SIZE, BATCH, DTYPES, PUBLISHED=1)
	$(RUN) bench models $(call option,device,$(DEVICE)) $(call option,dtypes,$(DTYPES)) $(call option,size,$(T31_SIZE)) \
	  $(call option,batch,$(T31_BATCH)) $(if $(PUBLISHED),--published true) $(call option,variants,$(MEASURED)) \
	  --reference experiments/table_3_1/thesis.csv --out runs/table-3.1

bench-loading: setup  ## images/s of the loaders beside torchvision's ImageFolder (DATA=folder of the archives)
	$(BIN)/python experiments/benchmarks/loading.py --data $(DATA)

bench-ranking: setup  ## time and memory of the ranking metrics beside torchmetrics', and their growth up to a million photos
	$(BIN)/python experiments/benchmarks/ranking.py

clean:  ## remove the demo, the built site and caches (never data/ or runs/)
	rm -rf $(DEMO) docs/site .pytest_cache .mypy_cache .ruff_cache .hypothesis build
