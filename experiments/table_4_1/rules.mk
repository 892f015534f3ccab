# Table 4.1: a run a row and seed, a file target each.
T41_RUNS := runs/table-4.1/$(PRESET)
T41_ROWS := $(call rows_of,4.1)

table-4.1: $(T41_ROWS:%=$(T41_RUNS)/%/.done)  ## classification of TU-Berlin: top-1, top-5 beside the thesis's
	$(call report,4.1,$(T41_RUNS),$(T41_ROWS))

$(T41_RUNS)/%/.done: | $(TU_BERLIN)
	$(RUN) fit $(call t41_options,$*) --ckpt_path last
	$(RUN) validate $(call t41_options,$*)
	touch $@
t41_options = $(call cfg,experiments/base/classification.yaml experiments/data/tu_berlin.yaml \
  experiments/table_4_1/$(PRESET).yaml) --data.init_args.root $(ROOT) --runs $(T41_RUNS) --name $(1) $(call row_options,$(1))
