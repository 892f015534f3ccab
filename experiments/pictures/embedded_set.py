"""Draw the README's contact sheet of the embedded set: python experiments/pictures/embedded_set.py."""

from pathlib import Path

from PIL import Image

from hybrid_sbir.data.embedded import EmbeddedStore, contact_sheet

SIZE = 84


def main() -> None:
    """Two sketches and two photos of every class, drawn at twice the size, in 256 colours to keep the file small."""
    stores = [EmbeddedStore(split="train", domain=domain, per_class=2, size=2 * SIZE) for domain in ("sketch", "photo")]
    sheet = contact_sheet(stores, columns=4, samples=2, size=SIZE)
    few = sheet.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=4, dither=Image.Dither.FLOYDSTEINBERG)
    few.save(Path(__file__).with_suffix(".png"), optimize=True)


if __name__ == "__main__":
    main()
