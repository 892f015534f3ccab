"""What is read from finished runs: tables, pages, refined rankings; knows no model and no data set."""
