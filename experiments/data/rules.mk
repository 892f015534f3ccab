# Prepared data, a file target a set. A set that lies prepared in DATA is used there; else its archive is looked for in
# DATA, and it is prepared in data/. What is not found is downloaded only where DATA was left out and there is a place.
prepared_in = $(if $(wildcard $(DATA)/$(1)/manifest.json),$(DATA),data)
# $(1): the set's folder, $(2): its archive
archive_of = $(firstword $(filter %$(2),$(wildcard $(DATA) $(DATA)/$(2) $(DATA)/$(1)/$(2))))
no_archive = { echo "no $(1) in DATA=$(DATA), and none prepared in $(dir $@): name the folder that has it, or prepare your own: \
hybrid-sbir data prepare $(2) --archive FILE_OR_FOLDER"; exit 1; }
ROOT := $(call prepared_in,tu_berlin)
TU_BERLIN := $(ROOT)/tu_berlin/manifest.json
TU_BERLIN_ZIP := $(call archive_of,tu_berlin,sketches_png.zip)
QUICKDRAW_ROOT := $(call prepared_in,quickdraw)
QUICKDRAW := $(QUICKDRAW_ROOT)/quickdraw/manifest.json
# An archive, or a folder of CLASS.ndjson.
QUICKDRAW_ZIP := $(or $(call archive_of,quickdraw,simplified.zip),$(if $(wildcard $(DATA)/quickdraw/*.ndjson),$(DATA)/quickdraw))
fetch = $(if $(filter file,$(origin DATA)),$(RUN) data download $(1) --root data,@$(call no_archive,$(2),$(1)))

data-tu-berlin: $(TU_BERLIN)  ## prepare TU-Berlin in data/ (DATA=folder or sketches_png.zip; else it is downloaded)
$(TU_BERLIN): | setup
	$(if $(TU_BERLIN_ZIP),,$(call fetch,tu_berlin,sketches_png.zip))
	$(RUN) data prepare tu_berlin $(TU_BERLIN_ZIP:%=--archive %) --root $(ROOT)

data-quickdraw: $(QUICKDRAW)  ## prepare Mini-QuickDraw in data/ (DATA=folder with simplified.zip; else it is downloaded)
$(QUICKDRAW): | setup
	$(if $(QUICKDRAW_ZIP),,$(call fetch,quickdraw,simplified.zip))
	$(RUN) data prepare quickdraw $(QUICKDRAW_ZIP:%=--archive %) --root $(QUICKDRAW_ROOT)

# The photos, the test and the pre-training of Table 4.4.
PHOTOS_ZIP := $(or $(call archive_of,photos,photos_90.zip),$(call archive_of,photos_90,photos_90.zip))
SKETCHY_ZIP := $(call archive_of,sketchy,sketchy_85.zip)
IMAGENET_ZIP := $(call archive_of,imagenet,tiny-imagenet-200_subset.zip)
data/photos_90/manifest.json: | setup
	$(if $(PHOTOS_ZIP),,@$(call no_archive,photos_90.zip,folder --into photos_90))
	$(RUN) data prepare folder --into photos_90 --archive $(PHOTOS_ZIP)
data/sketchy/manifest.json: | setup
	$(if $(SKETCHY_ZIP),,@$(call no_archive,sketchy_85.zip,sketchy))
	$(RUN) data prepare sketchy --archive $(SKETCHY_ZIP)
data/imagenet/manifest.json: | setup
	$(if $(IMAGENET_ZIP),,@$(call no_archive,tiny-imagenet-200_subset.zip,imagenet))
	$(RUN) data prepare imagenet --archive $(IMAGENET_ZIP)

# Rows on several machines may ask for a set at once: one prepares it.
alone = experiments/alone.sh
PREPARED := $(sort $(TU_BERLIN) $(QUICKDRAW) $(foreach set,photos_90 sketchy imagenet,data/$(set)/manifest.json))
$(PREPARED): SHELL = $(alone)
$(PREPARED): .SHELLFLAGS = $(@D)
