"""Where vectors lie on Milvus: ``milvus://host:port/collection``, or a file of Milvus Lite."""

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

TOKEN = "HYBRID_SBIR_MILVUS_TOKEN"  # environment: ``user:password`` or an API key; never written down
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_OF_A_FILE = "photos"  # the collection


class Address(NamedTuple):
    """A collection of a server, or in a file.

    Attributes:
        uri: what pymilvus connects to.
        collection: its name there.
        url: what the user gave; what the manifest says.
    """

    uri: str
    collection: str
    url: str

    def make_folder(self) -> None:
        """Make the folder of a file, if it is missing."""
        if self.is_file:
            Path(self.uri).parent.mkdir(parents=True, exist_ok=True)

    @property
    def is_file(self) -> bool:
        """Whether it is a file of Milvus Lite."""
        return "://" not in self.uri

    @property
    def token(self) -> str:
        """What the server asks for, from the environment; empty for a file."""
        return os.environ.get(TOKEN, "") if not self.is_file else ""


def is_address(kind: str) -> bool:
    """Return whether a kind of store is an address of Milvus."""
    return kind.startswith(("milvus://", "milvus+tls://"))


def address(url: str) -> Address:
    """Read an address.

    Raises:
        ValueError: if it is none, or has a password in it.
    """
    parts = urlsplit(url)
    forms = "give milvus://host:port/collection, milvus+tls://host:port/collection, or milvus:///path/file.db"
    if not is_address(url) or parts.query or parts.fragment:
        raise ValueError(f"{parts.scheme}://{parts.hostname or ''}{parts.path} is no address of Milvus; {forms}")
    if "@" in parts.netloc:
        raise ValueError(
            f"the address of Milvus at {parts.hostname} has a name or password in it, which would stay in the index; "
            f"put them into the environment: {TOKEN}=name:password"
        )
    if not parts.netloc:
        path = Path(parts.path)
        if path.suffix != ".db" or not path.is_absolute():
            raise ValueError(f"{url}: a file of Milvus Lite ends in .db; {forms}")
        return Address(str(path), _OF_A_FILE, url)
    name = parts.path.strip("/")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{url}: '{name}' is no name of a collection (letters, digits, _); {forms}")
    scheme = "https" if parts.scheme == "milvus+tls" else "http"
    return Address(f"{scheme}://{parts.netloc}", name, url)
