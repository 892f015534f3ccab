"""Run folders with an embeddings.npz as a retrieval leaves it, for the tests of what reads them."""

import json

import numpy as np

CLASSES = ("cat", "<dog>", "owl")


def arrays(seed=0, queries=9, photos=30, size=8):
    """Clouds of three classes; pictures of the first photos of three queries."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(3, size))

    def drawn(labels):
        return (centres[labels] + 0.9 * rng.normal(size=(len(labels), size))).astype(np.float32)

    labels, photo_labels = np.arange(queries) % 3, np.arange(photos) % 3
    asked, catalogue = drawn(labels), drawn(photo_labels)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (asked, catalogue)]
    shown = np.array([0, 4, 8])
    first = np.argsort(-unit[0][shown] @ unit[1].T, axis=1)[:, :10]
    photos_shown = np.unique(first)
    return {
        "classes": np.array(CLASSES),
        "query_embedding": asked,
        "query_label": labels,
        "query_index": np.arange(queries),
        "query_name": np.array([f"sketches/{row}.png" for row in range(queries)]),
        "catalogue_embedding": catalogue,
        "catalogue_label": photo_labels,
        "catalogue_index": np.arange(photos),
        "catalogue_name": np.array([f"photos/{row}.jpg" for row in range(photos)]),
        "group_seen": np.array([0, 1]),
        "group_unseen": np.array([2]),
        "shown": shown,
        "first": first,
        "thumbnails": rng.integers(0, 255, (len(shown) + len(photos_shown), 12, 12, 3), dtype=np.uint8),
        "thumbnail_role": np.array([0] * len(shown) + [1] * len(photos_shown)),
        "thumbnail_row": np.concatenate([shown, photos_shown]),
    }


def leave_retrieval(folder, record=True, seed=0, **changes):
    folder.mkdir()
    np.savez(folder / "embeddings.npz", **{**arrays(seed), **changes})
    if record:
        (folder / "metrics.json").write_text(json.dumps({"name": folder.name, "parameters": 753688}))
    return folder
