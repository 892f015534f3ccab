"""Measuring: operators, blocks and whole backbones, beside the published layout; time, peak memory, bandwidth."""
