"""Dashboards of W&B, defined in code: one for each table of the thesis."""
