# Benchmarks that are not in the Makefile. BASE is an index whose vectors are grown, SKETCHES a folder for its queries.
BASE ?=
SKETCHES ?=

.PHONY: bench-search-growth
bench-search-growth: | setup  ## time, memory, disk and recall of each kind of store, 10,000 to 1,000,000 photos (BASE, SKETCHES)
	$(BIN)/python experiments/benchmarks/search_growth.py $(if $(BASE),--base '$(BASE)' --sketches '$(SKETCHES)')
