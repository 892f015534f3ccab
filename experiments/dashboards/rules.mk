# Dashboards of the tables in a project of Weights & Biases. ENTITY is the user or team.
ENTITY ?=
PROJECT ?= hybrid-sbir
DRY_RUN ?=

.PHONY: dashboards
dashboards: | setup  ## W&B dashboards, one a table (ENTITY, PROJECT; DRY_RUN=FILE.json writes them down instead)
	$(RUN) dashboards --entity '$(or $(ENTITY),$(if $(DRY_RUN),nobody))' --project '$(PROJECT)' $(if $(DRY_RUN),--dry_run '$(DRY_RUN)')
