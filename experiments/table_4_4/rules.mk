# Table 4.4, a stage a file target: pre-training <- stage 1 (sketches, photos) <- stage 2 <- stage 3. A row is
# BACKBONE-INIT-RECIPE-seedN: INIT is pretrained or scratch; RECIPE is thesis, modern, or the number of the last switch of
# switches/ that is laid over the thesis's recipe (the ablation). The seed is that of stages 2 and 3.
T44 := experiments/table_4_4
T44_RUNS := runs/table-4.4/$(PRESET)
ROWS ?= $(call rows_of,4.4)
# The last switch makes the modern recipe.
ABLATION ?= $(call with_seeds,$(call choose,$(call known_rows,4.4,ablation),,$(call asked,4.4-ablation)))
T44_OPTIONS ?= $(OPTIONS)
# $(3): pretraining, stage1, contrastive or triplet, whose batch DEVICES share.
t44_fit = $(RUN) fit $(1) --runs $(T44_RUNS) --name $(2) $(if $(filter-out 1,$(DEVICES)),$(on_devices) $(call t44_share,$(3))) \
  $(T44_OPTIONS) --ckpt_path last
t44_share = $(call share_of,$(or $(shell sed -n 's/.*batch_size: *\([0-9]*\).*/\1/p' $(T44)/$(PRESET)_$(1).yaml),64))

table-4.4: $(ROWS:%=$(T44_RUNS)/%/stage3/.done)  ## retrieval of photos for sketches, both recipes (or ROWS with seeds)
	$(if $(ROWS),$(RUN) report $(ROWS:%=$(T44_RUNS)/%) $(wildcard $(T44_RUNS)/stage1 $(T44_RUNS)/pretrained) \
	  --table $(T44)/table.yaml --out $(T44_RUNS)/table.md,$(call none_of,4.4))

table-4.4-ablation: $(ABLATION:%=$(T44_RUNS)/%/stage3/.done)  ## from the thesis's recipe to the modern one, a switch at a time
	$(RUN) report $(ABLATION:%=$(T44_RUNS)/%) --table $(T44)/ablation.yaml --out $(T44_RUNS)/ablation.md

# ---- pre-training and stage 1, shared by the rows of a backbone ----
T44_PRESET = $(T44)/$(PRESET).yaml
$(T44_RUNS)/pretrained/% $(T44_RUNS)/stage1/%: SHELL = $(alone)
$(T44_RUNS)/pretrained/% $(T44_RUNS)/stage1/%: .SHELLFLAGS = $(@D)
.PRECIOUS: $(T44_RUNS)/pretrained/%/.done $(T44_RUNS)/stage1/%/.done $(T44_RUNS)/%/stage2/.done $(T44_RUNS)/%/stage3/.done
# All data first: what is missing is said before hours of training.
T44_DATA := $(TU_BERLIN) data/photos_90/manifest.json data/sketchy/manifest.json
$(T44_RUNS)/pretrained/%/.done: | data/imagenet/manifest.json $(T44_DATA)
	$(call t44_fit,$(call cfg,experiments/base/classification.yaml experiments/data/imagenet.yaml $(T44_PRESET) \
	  $(T44)/$(PRESET)_pretraining.yaml) --model.init_args.backbone $*,pretrained/$*,pretraining)
	touch $@

# stage1/BACKBONE-INIT-photo, stage1/BACKBONE-INIT-sketch-RECIPE
t44_from = $(if $(filter pretrained,$(call row_part,2,$(1))),--model.init_args.init_head false \
  --model.init_args.init_from $(T44_RUNS)/pretrained/$(call row_part,1,$(1))/checkpoints/best.ckpt)
t44_stage1 = $(call t44_fit,$(call cfg,experiments/base/classification.yaml $(2) $(T44_PRESET) $(T44)/$(PRESET)_stage1.yaml) \
  --model.init_args.backbone $(call row_part,1,$(1)) $(call t44_from,$(1)),stage1/$(1),stage1)
define t44_stage1_rules
$(T44_RUNS)/stage1/$(1)-$(2)-photo/.done: $(3) | $(T44_DATA)
	$$(call t44_stage1,$(1)-$(2)-photo,$(T44)/stage1_photo.yaml)
	touch $$@
$(T44_RUNS)/stage1/$(1)-$(2)-sketch-%/.done: $(3) | $(T44_DATA)
	$$(call t44_stage1,$(1)-$(2)-sketch-$$*,$(T44)/stage1_sketch.yaml $(T44)/stage1_$$*.yaml)
	touch $$@
endef
T44_BACKBONES := $(sort $(foreach r,$(ROWS) $(ABLATION),$(call row_part,1,$(r))))
$(foreach b,$(T44_BACKBONES),$(eval $(call t44_stage1_rules,$(b),scratch,)))
$(foreach b,$(T44_BACKBONES),$(eval $(call t44_stage1_rules,$(b),pretrained,$(T44_RUNS)/pretrained/$(b)/.done)))

# ---- stages 2 and 3 ----
# The recipe's overlays for a stage (contrastive, triplet): a recipe's own, or the thesis's and the first switches.
t44_switches = $(addprefix $(T44)/switches/,$(shell ls $(T44)/switches | \
  awk -F_ -v last=$(1) -v stage=$(2) '{parts = split($$0, part, ".")} $$1 <= last && (parts == 2 || part[2] == stage)'))
t44_recipe = $(if $(filter modern,$(1)),experiments/recipes/modern.yaml experiments/recipes/modern_$(2).yaml,\
  experiments/recipes/thesis.yaml experiments/recipes/thesis_$(2).yaml \
  $(if $(filter triplet,$(2)),$(T44)/$(PRESET)_triplet_thesis.yaml) $(if $(filter-out thesis,$(1)),$(call t44_switches,$(1),$(2))))
t44_configs = $(call cfg,experiments/base/$(2).yaml $(T44)/data.yaml $(call t44_recipe,$(call row_part,3,$(1)),$(2)) \
  $(T44_PRESET) $(T44)/$(PRESET)_$(2).yaml) --model.init_args.backbone $(call row_part,1,$(1)) \
  --seed_everything $(patsubst seed%,%,$(call row_part,4,$(1)))
# Stage 1's sketches follow the recipe: the published crops up to switch 08.
t44_sketches = $(if $(filter thesis 01 02 03 04 05 06 07 08,$(call row_part,3,$(1))),thesis,modern)
t44_stage1_of = $(T44_RUNS)/stage1/$(call row_part,1,$(1))-$(call row_part,2,$(1))
# Validation with all of its sketches, whatever the recipe selected by: the thesis's Figure 4.5 for every row.
t44_score = $(RUN) $(1) --config $(T44_RUNS)/$(2)/config.yaml --data.init_args.val_queries_per_class null \
  --model.init_args.using_catalogue '[expansion, reranking]'
define t44_row_rules
$(T44_RUNS)/$(1)/stage2/.done: $(call t44_stage1_of,$(1))-photo/.done $(call t44_stage1_of,$(1))-sketch-$(call t44_sketches,$(1))/.done \
    | data/sketchy/manifest.json
	$$(call t44_fit,$$(call t44_configs,$(1),contrastive) \
	  --model.init_args.init_sketch $(call t44_stage1_of,$(1))-sketch-$(call t44_sketches,$(1))/checkpoints/best.ckpt \
	  --model.init_args.init_photo $(call t44_stage1_of,$(1))-photo/checkpoints/best.ckpt,$(1)/stage2,contrastive)
	touch $$@
$(T44_RUNS)/$(1)/stage3/.done: $(T44_RUNS)/$(1)/stage2/.done
	$$(call t44_fit,$$(call t44_configs,$(1),triplet) \
	  --model.init_args.init_from $(T44_RUNS)/$(1)/stage2/checkpoints/best.ckpt,$(1)/stage3,triplet)
	$(call t44_score,test,$(1)/stage2)
	$(call t44_score,validate,$(1)/stage3)
	$(call t44_score,test,$(1)/stage3)
	touch $$@
endef
$(foreach r,$(sort $(ROWS) $(ABLATION)),$(eval $(call t44_row_rules,$(r))))
