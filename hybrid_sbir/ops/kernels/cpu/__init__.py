"""Kernels in plain C, built on first use with the machine's compiler and called through ctypes."""
