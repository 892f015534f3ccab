"""From a store to batches: the order of an epoch, augmentation keyed by sample, a loader that resumes."""
