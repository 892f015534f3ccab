"""Samples by number, wherever they lie: files, strokes, bitmaps, or decoded pixels in one mapped file."""
