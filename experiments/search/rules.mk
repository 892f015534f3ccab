# What the search finds in real photos, and how strokes are drawn for it. Written to experiments/search.
SEARCH_RUNS ?= $(patsubst %,runs/table-4.4/quick/%-pretrained-modern-seed0/stage3,hib_patch_2_2_nl resnet26)
SEARCH_WORK ?= runs/search
# Folder of QuickDraw's CLASS.ndjson.
DRAWINGS ?= $(DATA)/quickdraw

.PHONY: search-quality search-pen
search-quality: | setup  ## mAP of SketchSearch over all of Sketchy, beside the evaluator's (SEARCH_RUNS)
	$(BIN)/python experiments/search/quality.py $(SEARCH_RUNS) --work $(SEARCH_WORK)

search-pen: | setup  ## which pen and canvas strokes are found best with (SEARCH_RUNS; DRAWINGS: folder of CLASS.ndjson)
	$(BIN)/python experiments/search/pen.py $(SEARCH_RUNS) --drawings $(DRAWINGS)
