# Tables 2.1 and 2.2: the architectures that the thesis builds on. Nothing is trained and nothing fetched.
.PHONY: table-2
table-2: | setup  ## parameters and MACs of the architectures of Tables 2.1 and 2.2, into experiments/table_2/parameters.md
	$(BIN)/python experiments/table_2/parameters.py
	@echo "wrote experiments/table_2/parameters.md"
