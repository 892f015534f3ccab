# What tests/planning plans: the Makefile of table.yaml. PICTURES is a folder of class folders.
PRESET := quick
VARIANTS := small-pre large-pre
SEEDS := 0
RUNS ?= runs/table-9.1/$(PRESET)
CONF := tests/conf/tiny.yaml
width = $(if $(filter large-%,$(1)),1.0,0.5)
ROWS := $(foreach v,$(VARIANTS),$(foreach s,$(SEEDS),$(v)-seed$(s)))
options = --config $(CONF) --data.init_args.root $(PICTURES) --runs $(RUNS) --name $* --model.init_args.width $(call width,$*) \
  --model.init_args.activation $(word 2,$(subst -, ,$*)) --seed_everything $(patsubst seed%,%,$(lastword $(subst -, ,$*)))

table-9.1: $(ROWS:%=$(RUNS)/%/.done)
$(RUNS)/%/.done: $(READY)
	$(RUN) fit $(options) --ckpt_path last
	$(RUN) validate $(options)
	touch $@
unprepared:
	$(RUN) data prepare folder --archive there
