# Benchmarks that are not in the Makefile. BASE is an index whose vectors are grown, SKETCHES a folder for its queries.
BASE ?=
SKETCHES ?=

.PHONY: bench-search-growth
bench-search-growth: | setup  ## time, memory, disk and recall of each kind of store, 10,000 to 1,000,000 photos (BASE, SKETCHES)
	$(BIN)/python experiments/benchmarks/search_growth.py $(if $(BASE),--base '$(BASE)' --sketches '$(SKETCHES)')

# Of bench-serving: BASE as above; SOAK seconds with four clients after the rounds.
SOAK ?= 0
.PHONY: bench-serving
bench-serving: | setup  ## answers a second and p50, p95, p99 of the server at 1, 4, 16, 64 clients, 100,000 photos (BASE, SOAK)
	$(BIN)/python experiments/benchmarks/serving.py --base '$(BASE)' --soak $(SOAK)

.PHONY: bench-encoding
bench-encoding: | setup  ## embedding in torch beside onnxruntime, one sketch and 64, of trained models and at full width
	$(BIN)/python experiments/benchmarks/encoding.py

# Of bench-indexing: MODEL is a run's folder, PHOTOS one or more NAME=FOLDER.
MODEL ?=
PHOTOS ?=
.PHONY: bench-indexing
bench-indexing: | setup  ## photos a second of `hybrid-sbir index` beside its model alone on ready tensors (MODEL, PHOTOS)
	$(BIN)/python experiments/benchmarks/indexing.py --model '$(MODEL)' --photos $(PHOTOS)
