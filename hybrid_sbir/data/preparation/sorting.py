"""What a layout makes of an archive: which members are images of which class, and which are not."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple


class Placed(NamedTuple):
    """What the layout says of an image.

    Attributes:
        class_name: its class.
        part: the part of the official split, or the domain (photo, sketch), or ''.
        group: images of one group must never be split; '' if it stands alone.
    """

    class_name: str
    part: str = ""
    group: str = ""


@dataclass
class Sorting:
    """An archive's members.

    Attributes:
        images: what the layout says of each image, by path.
        ignored: the other members' paths, by the reason why they are no data.
        remarks: what a person should know of the data as a whole.
    """

    images: dict[str, Placed] = field(default_factory=dict)
    ignored: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    remarks: list[str] = field(default_factory=list)
