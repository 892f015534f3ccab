# The thesis's figures, and those beyond it, of what was run: from runs/ and committed results alike, of which the first
# that is found is drawn. Nothing is trained for a figure.
FIG := experiments/figures
FIG_OUT ?= runs/figures/$(PRESET)
# $(1): a table. What was run of it.
fig_runs = $(wildcard runs/table-$(1)/$(PRESET) experiments/table_$(subst .,_,$(1))/$(PRESET))
fig_needs = $(or $(fig_runs),$(error nothing was run for this figure: make table-$(1) PRESET=$(PRESET)))
fig_name = $(FIG_OUT)/figure_$(subst .,_,$(1)).svg

# ---- curves: Figures 4.1 and 4.2 are of Table 4.1, 4.3 and 4.4 of Table 4.2, 4.5 of Table 4.4 ----
figure-4.1: FIG_TABLE := 4.1
figure-4.2: FIG_TABLE := 4.1
figure-4.3: FIG_TABLE := 4.2
figure-4.4: FIG_TABLE := 4.2
figure-4.5: FIG_TABLE := 4.4
figure-4.1:  ## curves of TU-Berlin, post-activation (PRESET); what was not run is named
figure-4.2:  ## curves of TU-Berlin, pre-activation
figure-4.3:  ## curves of Mini-QuickDraw, post-activation
figure-4.4:  ## curves of Mini-QuickDraw, pre-activation
figure-4.5:  ## curves of the stages of bimodal retrieval
FIG_CURVES := $(addprefix figure-,4.1 4.2 4.3 4.4 4.5)
$(FIG_CURVES): figure-%: | setup
	$(RUN) figure curves $(call fig_needs,$(FIG_TABLE)) --definition $(FIG)/figure_$(subst .,_,$*).yaml --out $(call fig_name,$*)

# ---- scores against costs: of Table N's runs (figure-cost-4.1) and of the thesis's own numbers (figure-thesis-4.1-post) ----
FIG_MEASURED ?= experiments/table_3_1/cpu.json
FIG_ONLY ?= $(if $(filter figure-cost-4.4,$@),*-thesis *-modern,*)
FIG_COSTS := $(addprefix figure-cost-,4.1 4.2 4.3 4.4)
$(FIG_COSTS): figure-cost-%: | setup
	$(RUN) figure cost $(call fig_needs,$*) --measured $(FIG_MEASURED) --only '$(FIG_ONLY)' --out $(call fig_name,cost_$*)

# The pattern is TABLE-ACTIVATION.
FIG_THESIS := $(foreach t,4.1 4.2 4.3,$(foreach a,post pre,figure-thesis-$(t)-$(a)))
fig_part = $(word $(1),$(subst -, ,$(2)))
$(FIG_THESIS): figure-thesis-%: | setup
	$(RUN) figure cost experiments/table_$(subst .,_,$(call fig_part,1,$*))/thesis.csv --only '*-$(call fig_part,2,$*)' \
	  --measured experiments/table_3_1/thesis.csv --out $(call fig_name,thesis_$*) \
	  --title 'The thesis'"'"'s Table $(call fig_part,1,$*) against its Table 3.1, $(call fig_part,2,$*)-activation'

# ---- one run looked at closely: classes, confusions, what is found. FIG_CLASSIFIER and FIG_RETRIEVAL choose it ----
FIG_CLASSIFIER ?= runs/table-4.1/$(PRESET)/hib_patch_2_2-pre-seed0
FIG_RETRIEVAL ?= runs/table-4.4/$(PRESET)/hib_patch_2_2_nl-pretrained-modern-seed0/stage3
FIG_BASELINE ?= runs/table-4.4/$(PRESET)/resnet26-pretrained-modern-seed0/stage3
# A run or, where that is not here, what was kept of it.
fig_run = $(firstword $(wildcard $(1) $(subst runs/table-4.,experiments/table_4_,$(1))) $(1))
$(FIG_CLASSIFIER)/predictions.npz $(FIG_RETRIEVAL)/embeddings.npz:
	$(RUN) predict --config $(@D)/config.yaml

figure-classes: | setup  ## AP of each class, ResNet26 and the hybrid (FIG_BASELINE, FIG_RETRIEVAL)
	$(RUN) figure classes $(call fig_run,$(FIG_BASELINE)) $(call fig_run,$(FIG_RETRIEVAL)) --out $(call fig_name,classes_4.4)
figure-confusions: $(FIG_CLASSIFIER)/predictions.npz  ## the most confused classes of a classifier (FIG_CLASSIFIER)
	$(RUN) figure confusions $(FIG_CLASSIFIER) --out $(call fig_name,confusions_4.1)
	$(RUN) figure classes $(FIG_CLASSIFIER) --out $(call fig_name,classes_4.1)
figure-found: $(FIG_RETRIEVAL)/embeddings.npz  ## sketches and the photos found, best to worst (FIG_RETRIEVAL)
	$(RUN) figure found $(FIG_RETRIEVAL) --out $(call fig_name,found_4.4)
	$(RUN) figure confusions $(FIG_RETRIEVAL) --out $(call fig_name,confusions_4.4)

# ---- all that can be drawn; the rest is named ----
# $(1): a table, $(2): what its runs' names end in, $(3): figures of them.
fig_if = $(if $(wildcard $(addsuffix /*$(2),$(call fig_runs,$(1)))),$(addprefix figure-,$(3)))
FIG_THERE = $(sort $(call fig_if,4.1,-post-seed*,4.1 cost-4.1) $(call fig_if,4.1,-pre-seed*,4.2 cost-4.1) \
  $(call fig_if,4.2,-post-seed*,4.3 cost-4.2) $(call fig_if,4.2,-pre-seed*,4.4 cost-4.2) $(call fig_if,4.3,-seed*,cost-4.3) \
  $(call fig_if,4.4,-seed*,4.5 cost-4.4) $(if $(wildcard $(call fig_run,$(FIG_RETRIEVAL))),figure-classes) $(FIG_THESIS) \
  $(if $(wildcard $(FIG_CLASSIFIER)/config.yaml),figure-confusions) $(if $(wildcard $(FIG_RETRIEVAL)/config.yaml),figure-found))
FIG_ALL := $(FIG_CURVES) $(FIG_COSTS) $(FIG_THESIS) figure-classes figure-confusions figure-found
figures: $(FIG_THERE)  ## every figure of what was run, into runs/figures/PRESET (FIG_OUT)
	@echo "drawn into $(FIG_OUT): $(FIG_THERE)"
	@[ -z "$(filter-out $(FIG_THERE),$(FIG_ALL))" ] || echo "not run, so not drawn: $(filter-out $(FIG_THERE),$(FIG_ALL))"
.PHONY: figures $(FIG_ALL)
