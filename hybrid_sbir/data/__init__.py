"""Files of images, strokes and labels -> batches of tensors; no models."""
