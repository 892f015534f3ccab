"""What is to be built: settings, the model, the photos, and what stands already. Every process makes the same."""

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hybrid_sbir.encoding import Encoder, load_encoder
from hybrid_sbir.encoding.model_file import weights_digest
from hybrid_sbir.retrieval.descriptors import check_scales
from hybrid_sbir.search.catalogue import Catalogue, open_catalogue
from hybrid_sbir.search.manifest import MANIFEST, STORED, IndexProblem, Manifest, read_manifest, verified

MAX_BYTES = 64 << 20
MAX_PIXELS = 50_000_000
MOST_AT_ONCE = 8_192  # photos of 224 pixels a side: 5 GB before the model has begun
BATCH = 64
"""Photos embedded at once. From 16 on results were the same to the bit for any number of threads."""


@dataclass(frozen=True)
class Settings:
    """What vectors depend on beside the model and the photos; an update takes over what it is not told.

    Attributes:
        scales: factors on a photo's side, whose descriptors are averaged.
        mirror: whether mirror images are averaged too.
        batch_size: photos embedded at once.
        max_bytes: of a photo's file.
        max_pixels: of a photo.
    """

    scales: tuple[float, ...] = (1.0,)
    mirror: bool = False
    batch_size: int = BATCH
    max_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_bytes", "max_pixels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give 1 or more")
        if self.batch_size > MOST_AT_ONCE:
            raise ValueError(f"batch_size is {self.batch_size:,}; give 1 to {MOST_AT_ONCE:,}: every batch is filled up")
        check_scales(self.scales)


@dataclass(frozen=True)
class Job:
    """A build.

    Attributes:
        out: the index's folder.
        encoder: the model.
        catalogue: the photos.
        settings: see there.
        store: kind of store asked for.
        old: the manifest that stands and is updated; None where there is none, or it is not to be used.
        fingerprint: of the model; see :func:`fingerprint`.
    """

    out: Path
    encoder: Encoder
    catalogue: Catalogue
    settings: Settings
    store: str
    old: Manifest | None
    fingerprint: str

    @property
    def side(self) -> Path:
        """Where the build goes on beside the index that stands."""
        return self.out / ".building"

    @property
    def key(self) -> str:
        """SHA-256 of all that vectors depend on: work of another key is of no use."""
        photos = self.encoder.preparation["photo"]._asdict()
        plain = json.dumps([self.fingerprint, photos, asdict(self.settings)], sort_keys=True)
        return hashlib.sha256(plain.encode()).hexdigest()

    def built(self) -> dict[str, Any]:
        """What the manifest keeps of the settings that are no views."""
        plain = asdict(self.settings)
        return {
            "fingerprint": self.fingerprint,
            "store": self.store,
            **{name: plain[name] for name in ("batch_size", "max_bytes", "max_pixels")},
        }

    def views(self) -> dict[str, Any]:
        """What the manifest says of a photo's views."""
        return {"scales": list(self.settings.scales), "mirror": self.settings.mirror}


def make_job(
    out: Path, model: Path | None, photos: Path | None, store: str | None, overwrite: bool, **given: Any
) -> Job:
    """Load what a build needs.

    Args:
        out: the index's folder.
        model: of a new index; None takes the index's own.
        photos: None takes those of the index.
        store: kind of store; None takes the index's.
        overwrite: whether the index that stands is left out of account.
        given: of :class:`Settings`; None takes the index's.

    Raises:
        ValueError: if something is missing, or does not go with the index that stands.
        OSError: if a file cannot be read.
    """
    stands = (out / MANIFEST).exists()
    _check_folder(out, stands)
    old = read_manifest(out) if stands and not (overwrite and model and photos) else None
    if model is None and old is None:
        raise ValueError(f"--model is missing: {out} holds no index yet; give a run's folder or a .safetensors")
    if photos is None and old is None:
        raise ValueError(f"--photos is missing: {out} holds no index yet; give a folder, a list or a zip")
    own = verified(out, old.files["model"]) if model is None and old is not None else Path(model or "")
    encoder = load_encoder(own, runtime="torch")
    catalogue = open_catalogue(old.source["path"] if photos is None and old is not None else Path(photos or ""))
    earlier = {} if old is None or overwrite else _earlier(old)
    try:
        settings = Settings(**{name: value for name, value in {**earlier, **_told(given)}.items() if name != "store"})
    except TypeError as problem:
        raise IndexProblem(f"{out / MANIFEST} is damaged: its settings are none ({problem}); make it anew") from problem
    job = Job(
        out,
        encoder,
        catalogue,
        settings,
        store or str(earlier.get("store", "auto")),
        None if overwrite else old,
        fingerprint(encoder),
    )
    if job.old is not None:
        _check_same(job, job.old)
    return job


def fingerprint(encoder: Encoder) -> str:
    """Return the SHA-256 of what makes vectors of pixels: how the model is built, and its weights."""
    model: Any = encoder.model
    return hashlib.sha256(json.dumps([model.plan(), weights_digest(model)], sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Versions of what vectors come from."""
    found = {}
    for name in ("hybrid-sbir", "torch", "pillow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def _told(given: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in given.items() if value is not None}
    return told | ({"scales": tuple(told["scales"])} if "scales" in told else {})


def _earlier(old: Manifest) -> dict[str, Any]:
    known = {name: old.built[name] for name in ("batch_size", "max_bytes", "max_pixels", "store") if name in old.built}
    scales = old.views.get("scales", [1.0])
    mirror = bool(old.views.get("mirror", False))
    return known | {"scales": tuple(scales) if isinstance(scales, list) else (), "mirror": mirror}


def _check_folder(out: Path, stands: bool) -> None:
    """Refuse a folder of other things: an index removes files that it does not need."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; give --out a new folder, or one of an index")
    present = [path.name for path in out.iterdir()] if out.exists() and not stands else []
    foreign = sorted(name for name in present if not name.startswith(".") and not STORED.fullmatch(name))
    if foreign:
        raise ValueError(f"{out} holds other things ({', '.join(foreign[:3])}); give --out a new folder")


def _check_same(job: Job, old: Manifest) -> None:
    """Refuse to mix vectors that cannot be compared, or differ from those of an index made anew."""
    differ = []
    if old.built.get("fingerprint", job.fingerprint) != job.fingerprint:
        differ.append("another model")
    prepared, before = job.encoder.preparation["photo"]._asdict(), old.preparation.get("photo", {})
    differ += [f"photos' {n} {before[n]}, not {v}" for n, v in prepared.items() if before.get(n, v) != v]
    for name, now in {**job.views(), **job.built()}.items():
        was = {**old.views, **old.built}.get(name, now)
        if name not in ("fingerprint", "store") and was != now:
            differ.append(f"{name} {was}, not {now}")
    if differ:
        raise ValueError(
            f"{job.out} was made with {'; '.join(differ)}; leave that out to update it, give another --out, or make it "
            "anew: --overwrite true"
        )
