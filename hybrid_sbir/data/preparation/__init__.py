"""From an official archive to a checked, indexed and split folder: `hybrid-sbir data prepare`."""
