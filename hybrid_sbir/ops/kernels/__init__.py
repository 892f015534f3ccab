"""Compiled implementations of the operators, one folder a kind of device; each may exist because tests hold it against
:mod:`hybrid_sbir.ops.reference` in output and all gradients.
"""
