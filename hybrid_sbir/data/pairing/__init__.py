"""From two labelled sets, sketches and photos, to pairs, triplets and class batches, and to retrieval evaluations."""
