"""The page to draw on and the HTTP interface: an index, served."""
