"""Leaving out what the trainer says at every run and nobody needs."""

import logging
import warnings

_ADVERTS = ("litlogger", "litmodels")
_NO_NEWS = (  # the trainer's own words, at every run, on what is meant to be so
    r".*LeafSpec.* is deprecated",
    r".*WeightAveraging callback, but loading a checkpoint outside",  # the best checkpoint holds the averages
    r".*is not supported by the model summary",
    r"Found \d+ module\(s\) in eval mode at the start of training",  # what is frozen
)


def hush() -> None:
    """Leave out advertisements for services, and remarks on what is meant to be so."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_no_advert)
    for words in _NO_NEWS:
        warnings.filterwarnings("ignore", message=words)


def _no_advert(record: logging.LogRecord) -> bool:
    return not any(word in record.getMessage() for word in _ADVERTS)
