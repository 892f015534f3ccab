"""CUDA kernels for the operators: header-free .cu text, put together by ``programs``, launched by ``launch``."""
