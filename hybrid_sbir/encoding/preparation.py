"""How a run prepared the images of a domain before its model saw them, as plain values. S side, C channels."""

from typing import Any, NamedTuple

from hybrid_sbir.data.transforms import Transform, preset
from hybrid_sbir.encoding.trained_model import TrainedModel, backbone_of, run_settings
from hybrid_sbir.models.two_branch import DOMAINS, Domain


class Preparation(NamedTuple):
    """A preset of :mod:`hybrid_sbir.data.transforms` and its sizes.

    Attributes:
        preset: its name.
        size: S.
        channels: C.
    """

    preset: str
    size: int
    channels: int

    def transform(self) -> Transform:
        """Build the transform.

        Raises:
            ValueError: if there is no such preset or size.
        """
        return preset(self.preset, self.size, self.channels)


def of_run(trained: TrainedModel) -> dict[Domain, Preparation]:
    """Read how a run evaluates images of each domain from the config.yaml beside its checkpoint.

    Raises:
        ValueError: if the checkpoint does not lie in a run's folder, or its configuration does not say.
    """
    channels = backbone_of(trained.model).in_channels
    found: dict[Domain, Preparation] = {}
    for domain in DOMAINS:
        settings: dict[str, Any] = run_settings(trained.path, domain)
        name, size = settings.get("name"), settings.get("size")
        if not name or not size:
            raise ValueError(
                f"{trained.path} does not lie in a run's folder whose config.yaml says how images are prepared; give "
                "the run's folder, or the file that `hybrid-sbir export` made of it"
            )
        found[domain] = Preparation(str(name), int(size), channels)
    return found
