# The thesis's figures, and those beyond it, of what was run: drawn from runs/ and from committed results, never trained for.
FIG := experiments/figures
FIG_OUT ?= runs/figures/$(PRESET)
fig_runs = $(or $(wildcard runs/table-$(1)/$(PRESET) experiments/table_$(subst .,_,$(1))/$(PRESET)),\
  runs/table-$(1)/$(PRESET))
CURVES := 4.1 4.2 4.3 4.4 4.5
# Figures 4.1 and 4.2 are of Table 4.1, 4.3 and 4.4 of Table 4.2, 4.5 of Table 4.4.
fig_table_4.1 := 4.1
fig_table_4.2 := 4.1
fig_table_4.3 := 4.2
fig_table_4.4 := 4.2
fig_table_4.5 := 4.4

.PHONY: $(CURVES:%=figure-%)
$(CURVES:%=figure-%): figure-%: | setup
	$(RUN) figure curves $(call fig_runs,$(fig_table_$*)) --definition $(FIG)/figure_$(subst .,_,$*).yaml \
	  --out $(FIG_OUT)/figure_$(subst .,_,$*).svg
