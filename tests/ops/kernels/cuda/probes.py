"""Small kernels of the tests' own, compiled below the prelude like the package's."""

from dataclasses import dataclass

from hybrid_sbir.ops.kernels.cuda.programs import Program


@dataclass(frozen=True)
class Probe(Program):
    """A program with a text of its own after the prelude.

    Attributes:
        text: kernels.
    """

    text: str = ""

    def source(self) -> str:
        """The prelude, the typedefs and the text."""
        return f"{super().source()}\n{self.text}"


def probe(text: str, kernel_size: int = 3, reflect: bool = True, types: tuple = ()) -> Probe:
    """A program of nothing but ``text``."""
    return Probe((), kernel_size, reflect, types, text=text)
