# What the rules of all tables share: which rows and seeds are asked for, and how a row's settings follow from its name.
# A row is BACKBONE-ACTIVATION (Table 4.4: BACKBONE-INIT-RECIPE), its run's folder that and -seedN: two never share one.
cfg = $(foreach f,$(1),--config $(f))
row_part = $(word $(1),$(subst -, ,$(2)))
seed_of = $(patsubst seed%,%,$(lastword $(subst -, ,$(1))))
table_file = experiments/table_$(subst .,_,$(1))/$(2)

# ---- the choice: VARIANTS by the names in table.yaml; without them the preset's ----
asked = $(filter $(foreach verb,table- plan- rows-,$(verb)$(1)) $(2),$(MAKECMDGOALS))
# $(1): the table, $(2): table, or ablation
known_rows = $(shell awk '/^[a-z]+:/ {inside = /^rows:/} inside && /^ *- / {print $$2}' $(call table_file,$(1),$(2).yaml))
repeated = $(foreach word,$(sort $(1)),$(if $(word 2,$(filter $(word),$(1))),$(word)))
# The preset's rows: PRESET_rows.txt beside table.yaml, else all. Only a table that is asked for by name complains.
preset_rows = $(shell cat $(wildcard $(call table_file,$(1),$(PRESET)_rows.txt)) </dev/null)
rows_of = $(call with_seeds,$(call choose,$(call known_rows,$(1),table),$(call preset_rows,$(1)),$(call asked,$(1))))
choose = $(if $(filter undefined,$(origin VARIANTS)),$(or $(2),$(1)),$(if $(3),$(call check_variants,$(1)))$(filter $(1),$(subst :,-,$(VARIANTS))))
check_variants = $(if $(strip $(VARIANTS)),,$(error VARIANTS is empty; leave it out, or choose from: $(1)))\
$(foreach v,$(call repeated,$(subst :,-,$(VARIANTS))),$(error VARIANTS has $(v) twice))\
$(foreach v,$(filter-out $(1),$(subst :,-,$(VARIANTS))),$(error no variant '$(v)' here; there are: $(1)))
with_seeds = $(foreach row,$(1),$(foreach seed,$(SEEDS),$(row)-seed$(seed)))

TABLES := 4.1 4.2 4.3 4.4
# All tables share VARIANTS: each makes those it has.
ifneq ($(filter tables,$(MAKECMDGOALS)),)
ifneq ($(origin VARIANTS),undefined)
$(if $(call check_variants,$(sort $(foreach t,$(TABLES),$(call known_rows,$(t),table)))),)
endif
endif
ifneq ($(call asked,,tables $(TABLES:%=table-%) $(TABLES:%=plan-%) $(TABLES:%=rows-%)),)
$(if $(strip $(SEEDS)),,$(error SEEDS is empty; give numbers: SEEDS="0 1 2"))
$(foreach s,$(call repeated,$(SEEDS)),$(error SEEDS has $(s) twice: a seed is one run))
ifneq ($(shell printf '%s\n' $(SEEDS) | grep -cvxE '0|[1-9][0-9]{0,8}'),0)
$(error SEEDS must be whole numbers, got '$(SEEDS)'; SEEDS="0 1 2")
endif
$(if $(filter-out 1 2 4 8 16 32 64,$(DEVICES)),$(error DEVICES=$(DEVICES): a batch of 64 is shared by 1, 2, 4, 8, 16, 32 or 64))
ifeq ($(filter quick thesis,$(PRESET)),)
$(error no preset '$(PRESET)'; there are: quick (two cores, minutes a row), thesis (its regime, for GPUs))
endif
endif

# ---- a classifier's settings from its row's name ----
# DEVICES: processes that share a batch of 64, so that the regime stays.
on_devices = --trainer.accelerator $(ACCELERATOR) --trainer.devices $(DEVICES)\
$(if $(filter-out 1,$(DEVICES)), --trainer.strategy ddp$(if $(ON_GPU), --trainer.sync_batchnorm true))
ON_GPU = $(filter gpu cuda,$(ACCELERATOR))$(if $(filter auto,$(ACCELERATOR)),$(shell command -v nvidia-smi))
share_of = $(if $(filter-out 1,$(DEVICES)),--data.init_args.batch_size $(shell expr $(1) / $(DEVICES)))
row_options = --model.init_args.backbone $(call row_part,1,$(1)) --model.init_args.activation $(call row_part,2,$(1)) \
  --seed_everything $(call seed_of,$(1)) $(on_devices) $(call share_of,64) $(OPTIONS)

# $(1): the table, $(2): its runs, $(3): the rows
report = $(if $(3),$(RUN) report $(2) --table $(call table_file,$(1),table.yaml) --out $(2)/table.md,$(call none_of,$(1)))
none_of = @echo "Table $(1) has none of VARIANTS=$(VARIANTS)"
