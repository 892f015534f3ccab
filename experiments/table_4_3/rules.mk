# Table 4.3: the classes that Table 4.2 never saw, searched with its classifiers' features. Nothing is trained here.
T43_RUNS := runs/table-4.3/$(PRESET)
T43_ROWS := $(call rows_of,4.3)

table-4.3: $(T43_ROWS:%=$(T43_RUNS)/%/.done)  ## retrieval of the held-out classes with Table 4.2's classifiers: mAP, mRR, P@10
	$(call report,4.3,$(T43_RUNS),$(T43_ROWS))

$(T43_RUNS)/%/.done: $(T42_RUNS)/%/.done | $(QUICKDRAW)
	$(RUN) test $(call cfg,experiments/base/unimodal.yaml experiments/data/quickdraw_unimodal.yaml experiments/table_4_3/$(PRESET).yaml) \
	  --data.init_args.images.init_args.root $(QUICKDRAW_ROOT) --model.init_args.init_from $(T42_RUNS)/$*/checkpoints/best.ckpt \
	  --runs $(T43_RUNS) --name $* --trainer.accelerator $(ACCELERATOR) --trainer.devices 1
	touch $@
