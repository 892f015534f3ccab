# The documentation site, in docs/site; the tests build it too.
.PHONY: docs docs-serve
docs: setup  ## build the documentation into docs/site, warnings as errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --config-file docs/mkdocs.yml

docs-serve: setup  ## show the documentation at http://127.0.0.1:8000, built again when a file changes
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --strict --config-file docs/mkdocs.yml
