"""Runs a built library once: ``python trial.py LIBRARY float`` (or double).

It needs nothing but ctypes, so that it starts at once. A library that was built for other instructions, or by a
compiler with a fault, ends this process and not the caller's.
"""

import ctypes
import sys

_THREADS = ctypes.c_int64(2)


def _numbers(*values: int) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * len(values))(*values)


def main(path: str, name: str) -> None:
    """Subtract and sum a mirrored 3 x 3 window on a 3 x 3 map of 0 ... 8; compare with numbers worked out by hand.

    Raises:
        SystemExit: with words, if a number is wrong.
    """
    library, real = ctypes.CDLL(path), {"float": ctypes.c_float, "double": ctypes.c_double}[name]
    geometry = (3, 3, 3, 3, 3, 1, 1, 1, 1)  # call.Geometry's fields
    image, weights = (real * 9)(*range(9)), (real * 81)(*[1] * 81)
    differences, sums, scratch = (real * 81)(), (real * 9)(), (real * 64)()
    sizes = (ctypes.c_int64(1), ctypes.c_int64(32))
    library.subtraction(image, image, differences, scratch, _numbers(*geometry), *sizes, _THREADS)
    corner = differences[0::9]  # 0 minus its mirrored neighbours
    if corner != [-4, -3, -4, -1, 0, -1, -4, -3, -4]:
        raise SystemExit(f"a subtraction gave {corner}")
    problem = _numbers(*geometry, 1, 1, 1, 0, 0, 0)  # call.Problem's fields
    library.aggregation_scratch.restype = ctypes.c_int64
    pitch = library.aggregation_scratch(problem, ctypes.c_int64(3), _THREADS) + 16
    scratch = (real * (2 * pitch))()
    aligned = ctypes.c_void_p(-(-ctypes.addressof(scratch) // 64) * 64)
    sizes = (ctypes.c_int64(pitch - 16), ctypes.c_int64(3))
    library.aggregation(image, weights, sums, None, aligned, problem, *sizes, _THREADS)
    if list(sums) != [24, 27, 30, 33, 36, 39, 42, 45, 48]:
        raise SystemExit(f"a sum of windows gave {list(sums)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
