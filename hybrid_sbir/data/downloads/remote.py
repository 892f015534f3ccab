"""What an HTTP server says of a file: which version it is, how large, and which bytes of it are coming."""

import base64
import json
import re
from dataclasses import asdict, dataclass
from email.message import Message
from pathlib import Path

from hybrid_sbir.durable import write_durably


@dataclass(frozen=True)
class Version:
    """What tells one version of a file on a server from another; '' and -1 where the server does not say.

    Attributes:
        url: the address asked.
        etag: the server's name of this version.
        modified: when the server says it was last changed.
        size: its bytes.
        md5: of all its bytes, hexadecimal; Google's storage gives it.
    """

    url: str
    etag: str
    modified: str
    size: int
    md5: str

    @classmethod
    def of(cls, url: str, headers: Message, status: int) -> "Version":
        """Read a reply's headers; a partial reply (206) names the whole size in Content-Range."""
        size = (
            headers.get("Content-Length", "") if status == 200 else headers.get("Content-Range", "").rpartition("/")[2]
        )
        return cls(
            url=url,
            etag=headers.get("ETag", ""),
            modified=headers.get("Last-Modified", ""),
            size=int(size) if size.isdecimal() else -1,
            md5=_google_md5(headers),
        )

    @property
    def validator(self) -> str:
        """What If-Range may hold: weak ETags must not (RFC 9110, section 13.1.5)."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def same_file(self, other: "Version") -> bool:
        """Say whether a later reply is about the same version, as far as both replies say anything."""
        said = ((self.etag, other.etag), (self.modified, other.modified), (self.md5, other.md5))
        return self.size == other.size and all(mine == theirs for mine, theirs in said if mine and theirs)

    def write(self, path: Path) -> None:
        """Note it beside a partial file."""
        write_durably(path, json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, path: Path) -> "Version | None":
        """Read a note, or None where there is none that makes sense."""
        try:
            return cls(**json.loads(path.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None


def first_byte(headers: Message) -> int:
    """Return where a partial reply (206) begins, -1 if it does not say."""
    match = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return int(match[1]) if match else -1


def _google_md5(headers: Message) -> str:
    for value in headers.get_all("x-goog-hash") or []:
        for item in value.split(","):
            kind, _, digest = item.strip().partition("=")
            if kind == "md5":
                return base64.b64decode(digest).hex()
    return ""
