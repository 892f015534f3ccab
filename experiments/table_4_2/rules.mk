# Table 4.2: a run a row and seed, a file target each. Its classifiers are what Table 4.3 retrieves with.
T42_RUNS := runs/table-4.2/$(PRESET)
T42_ROWS := $(call rows_of,4.2)

table-4.2: $(T42_ROWS:%=$(T42_RUNS)/%/.done)  ## classification of Mini-QuickDraw: top-1, top-5 beside the thesis's
	$(call report,4.2,$(T42_RUNS),$(T42_ROWS))

# Table 4.3's rows may ask for one of these at once.
$(T42_RUNS)/%: SHELL = $(alone)
$(T42_RUNS)/%: .SHELLFLAGS = $(@D)
$(T42_RUNS)/%/.done: | $(QUICKDRAW)
	$(RUN) fit $(call t42_options,$*) --ckpt_path last
	$(RUN) validate $(call t42_options,$*)
	touch $@
# thesis_post.yaml: post-activation was trained for fewer epochs.
t42_configs = experiments/base/classification.yaml experiments/data/quickdraw.yaml experiments/table_4_2/$(PRESET).yaml \
  $(wildcard experiments/table_4_2/$(PRESET)_$(call row_part,2,$(1)).yaml)
t42_options = $(call cfg,$(call t42_configs,$(1))) --data.init_args.root $(QUICKDRAW_ROOT) --runs $(T42_RUNS) --name $(1) \
  $(call row_options,$(1))
