"""Fetching official archives, with resume and checksum: `hybrid-sbir data download`."""
