"""Runs a built library once: ``python trial.py LIBRARY float`` (or double).

It needs nothing but ctypes, so that it starts at once. A library that was built for other instructions, or by a compiler
with a fault, ends this process and not the caller's.
"""

import ctypes
import sys


def main(path: str, name: str) -> None:
    """Subtract a 3 x 3 window on a 3 x 3 map of 0 ... 8 and compare with numbers worked out by hand.

    Raises:
        SystemExit: with words, if a number is wrong.
    """
    library = ctypes.CDLL(path)
    real = {"float": ctypes.c_float, "double": ctypes.c_double}[name]
    image = (real * 9)(*range(9))
    result, scratch = (real * 81)(), (real * 64)()
    geometry = (ctypes.c_int64 * 9)(3, 3, 3, 3, 3, 1, 1, 1, 1)
    sizes = [ctypes.c_int64(value) for value in (1, 32, 2)]
    library.subtraction(image, image, result, scratch, geometry, *sizes)
    corner = [result[9 * k] for k in range(9)]  # 0 minus its mirrored neighbours
    if corner != [-4, -3, -4, -1, 0, -1, -4, -3, -4]:
        raise SystemExit(f"a subtraction gave {corner}")


if __name__ == "__main__":
    main(*sys.argv[1:])
