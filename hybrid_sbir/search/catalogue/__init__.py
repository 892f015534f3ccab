"""Where photos are: a folder, a list of files, or a zip. Each photo has an id; nothing else can be read through it."""

from hybrid_sbir.search.catalogue.entry import Catalogue, Entry, NotInCatalogue, Refused
from hybrid_sbir.search.catalogue.opening import open_catalogue

__all__ = ["Catalogue", "Entry", "NotInCatalogue", "Refused", "open_catalogue"]
