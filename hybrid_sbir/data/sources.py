"""The data sets: official addresses, official counts, and what to do where no address can be given."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from hybrid_sbir.data.quickdraw_classes import QUICKDRAW_CLASSES

_QUICKDRAW = "https://storage.googleapis.com/quickdraw_dataset/full"


@dataclass(frozen=True)
class Source:
    """A data set that can be prepared.

    Attributes:
        title: its name in words.
        layout: which of :data:`~hybrid_sbir.data.preparation.layouts.LAYOUTS` its images have; '' where it has none.
        url: the official archive; '' where it cannot be fetched without a person.
        advice: how a person gets it.
        classes: the official number of classes; 0 where any number is right.
        per_class: the official number of samples of every class, or 0.
        counts: the official number of samples by part or domain.
    """

    title: str
    layout: str
    url: str = ""
    advice: str = ""
    classes: int = 0
    per_class: int = 0
    counts: dict[str, int] = field(default_factory=dict)


SOURCES = {
    "tu_berlin": Source(
        "TU-Berlin sketches (Eitz et al. 2012, CC BY 4.0)",
        "tu_berlin",
        url="http://cybertron.cg.tu-berlin.de/eitz/projects/classifysketch/sketches_png.zip",
        classes=250,
        per_class=80,
    ),
    "quickdraw": Source(
        "Quick, Draw! (Google, CC BY 4.0)", "", url=f"{_QUICKDRAW}/simplified/", classes=len(QUICKDRAW_CLASSES)
    ),
    "imagenet": Source(
        "ImageNet (ILSVRC 2012)",
        "imagenet",
        advice="ImageNet is given out after registration only, for research: make an account at "
        "https://image-net.org/download.php, accept its terms and fetch ILSVRC2012_img_train.tar and "
        "ILSVRC2012_img_val.tar (150 GB). Unpack them to train/WNID/*.JPEG and val/WNID/*.JPEG (or a flat val with "
        "Kaggle's LOC_val_solution.csv beside it), then: hybrid-sbir data prepare imagenet --archive FOLDER; the "
        "folder is used in place, not copied",
        classes=1000,
        counts={"train": 1_281_167, "val": 50_000},
    ),
    "sketchy": Source(
        "Sketchy (Sangkloy et al. 2016)",
        "sketchy",
        advice="Sketchy lies on Google Drive, which asks a person before it gives large files: open "
        "https://sketchy.eye.gatech.edu, follow the link to the aligned images (rendered_256x256.7z), unpack them with "
        "7z x, then: hybrid-sbir data prepare sketchy --archive FOLDER; the folder is used in place, not copied",
        classes=125,
        counts={"photo": 12_500, "sketch": 75_471},
    ),
    "flickr25k": Source(
        "Flickr25k, photos of TU-Berlin's classes (Bui et al. 2017)",
        "flickr25k",
        advice="the photos are Flickr25K.zip on the authors' page, http://www.cvssp.org/data/Flickr25K/CVIU16.html; "
        "then: hybrid-sbir data prepare flickr25k --archive Flickr25K.zip. Its sketches are TU-Berlin's: prepare "
        "tu_berlin too, and train on both; or put them into a folder sketches beside the photos' folder and give the "
        "folder above as the archive",
        classes=250,
        counts={"photo": 25_000},
    ),
    "flickr15k": Source(
        "Flickr15k (Hu & Collomosse 2013)",
        "flickr15k",
        advice="Flickr15k's first page is gone; its authors' page (Rui Hu, University of Surrey) gave images.zip with "
        "the ground truth and 330sketches.zip, copies of which lie on Google Drive, where a person must ask for them. "
        "Unpack both into one folder, with the file groundtruth in it, then: hybrid-sbir data prepare flickr15k "
        "--archive FOLDER; the folder is used in place, not copied",
        classes=33,
        counts={"photo": 14_660, "sketch": 330},
    ),
    "folder": Source(
        "a folder or archive of class folders",
        "folder",
        advice="these are your own images: hybrid-sbir data prepare folder --archive FOLDER_OR_ARCHIVE",
    ),
}

FORMS = {"simplified": ".ndjson", "numpy_bitmap": ".npy"}
"""QuickDraw's official forms and their files' suffix."""


def source(name: str) -> Source:
    """Return a data set's facts.

    Raises:
        ValueError: if there is no such data set; the message lists those there are.
    """
    if name not in SOURCES:
        raise ValueError(f"no data set '{name}'; there are: {', '.join(SOURCES)}")
    return SOURCES[name]


def check_form(form: str) -> None:
    """Refuse an unknown form of QuickDraw.

    Raises:
        ValueError: listing the forms.
    """
    if form not in FORMS:
        raise ValueError(f"QuickDraw has no form '{form}'; there are: {', '.join(FORMS)}")


def quickdraw_url(class_name: str, form: str, folder: str | None = None) -> str:
    """Return the address of a class's file, in the official bucket or in another ``folder`` on the web."""
    return f"{(folder or f'{_QUICKDRAW}/{form}').rstrip('/')}/{quote(class_name)}{FORMS[form]}"


def download_place(name: str, root: Path | str, form: str) -> Path:
    """Return where ``data download`` puts a data set's archive (QuickDraw: the folder of its files)."""
    folder = Path(root) / "downloads"
    return folder / f"quickdraw_{form}" if name == "quickdraw" else folder / Path(source(name).url or name).name
