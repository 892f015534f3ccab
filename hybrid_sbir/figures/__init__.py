"""Pictures of results for print: curves, costs, classes, confusions and what is found; reads what runs leave."""
