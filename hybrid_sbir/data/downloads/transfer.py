"""One file over HTTP, continued where it stopped: cut connections, servers without ranges, files that change meanwhile.

While it is fetched, FILE is called FILE.part, and FILE.part.json notes which version of the server's file that begins.
"""

import fcntl
import hashlib
import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tqdm import tqdm

from hybrid_sbir.data.downloads.remote import Version, first_byte
from hybrid_sbir.data.hashing import sha256_of_file
from hybrid_sbir.durable import sync_folder

_CHUNK = 2**18
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # asking again may help
_LONGEST_WAIT = 60.0


class DownloadError(OSError):
    """A file that could not be fetched; the message says why, what is kept and what to do."""


class _BrokenError(OSError):
    """This attempt came to nothing, the next may not."""


@dataclass
class Transfer:
    """The fetching of one file.

    Attributes:
        url: an http or https address.
        target: where it comes to.
        sha256: what it must have, hexadecimal; '' if that is not known.
        retries: how often to ask again without a byte of progress.
        timeout: seconds that the server may stay silent.
        wait: seconds before asking again, twice as many each time, at most a minute.
        progress: show a bar on a terminal.
        sleep: how to wait.
    """

    url: str
    target: Path
    sha256: str = ""
    retries: int = 5
    timeout: float = 30.0
    wait: float = 1.0
    progress: bool = True
    sleep: Callable[[float], None] = time.sleep

    def fetch(self) -> Path:
        """Fetch the file, or find that it is there.

        Returns:
            ``target``.

        Raises:
            DownloadError: if the server refuses, the connection keeps breaking, the disk is full, another process
                fetches the same file, or the file is not the one that was expected.
        """
        if not re.match(r"https?://", self.url):
            raise DownloadError(f"'{self.url}' is no http or https address")
        if self.sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", self.sha256):
            raise DownloadError(f"'{self.sha256}' is no SHA-256; it has 64 hexadecimal digits")
        if self.target.exists():
            if self.sha256 and sha256_of_file(self.target, self.progress) != self.sha256.lower():
                raise DownloadError(f"{self.target} is there with another SHA-256; move it away and run it again")
            return self.target
        self.target.parent.mkdir(parents=True, exist_ok=True)
        with self._part.open("ab") as part:
            try:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DownloadError(f"another process is fetching {self.target} now; wait for it, or stop it") from None
            try:
                version = self._persist(part)
            except BaseException:
                if not self._have(part):
                    self._part.unlink()
                    self._note.unlink(missing_ok=True)
                raise
            os.fsync(part.fileno())
            self._check(version)
            self._part.replace(self.target)
        self._note.unlink(missing_ok=True)
        sync_folder(self.target.parent)
        return self.target

    @property
    def _part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def _note(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part.json")

    def _persist(self, part: IO[bytes]) -> Version:
        """Ask again until the file is complete; only attempts without progress are counted."""
        failures = 0
        while True:
            before = self._have(part)
            try:
                return self._attempt(part)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in _PASSING:
                    raise DownloadError(self._refusal(error)) from error
                reason, asked = f"the server answers {error.code} {error.reason}", error.headers.get("Retry-After", "")
            except DownloadError:
                raise
            except (OSError, http.client.HTTPException) as error:
                reason, asked = str(error) or type(error).__name__, ""
            failures = 1 if self._have(part) > before else failures + 1
            if failures > self.retries:
                raise DownloadError(f"{self.url}: {reason}; gave up after {failures} attempts. {self._kept(part)}")
            pause = float(asked) if asked.isdecimal() else self.wait * 2 ** (failures - 1)
            pause = min(pause, _LONGEST_WAIT)
            print(f"{self.target.name}: {reason}; asking again in {pause:.0f} s")
            self.sleep(pause)

    def _attempt(self, part: IO[bytes]) -> Version:
        have, known = self._have(part), Version.read(self._note)
        if have and (known is None or known.url != self.url):
            have = self._restart(part)  # what it is the beginning of is not known
        elif have and known is not None and have == known.size:
            return known
        headers = {"Accept-Encoding": "identity", "User-Agent": "hybrid-sbir"}
        if have and known is not None:
            headers["Range"] = f"bytes={have}-"
            if known.validator:
                headers["If-Range"] = known.validator
        try:
            response = urllib.request.urlopen(urllib.request.Request(self.url, headers=headers), timeout=self.timeout)
        except urllib.error.HTTPError as error:
            if error.code == 416 and have:
                self._restart(part)
                raise _BrokenError("the server's file is shorter than the part that is here; beginning anew") from error
            raise
        with response:
            version = Version.of(self.url, response.headers, response.status)
            if response.status != 206:
                have = self._restart(part)
                version.write(self._note)
            elif known is None or first_byte(response.headers) != have or not known.same_file(version):
                self._restart(part)
                raise _BrokenError("the server's file has changed; beginning anew")
            else:
                version = known
            self._check_space(version, part)
            self._copy(response, part, have, version)
        return version

    def _copy(self, response: IO[bytes], part: IO[bytes], have: int, version: Version) -> None:
        total = version.size if version.size >= 0 else None
        bar = tqdm(initial=have, total=total, unit="B", unit_scale=True, desc=self.target.name, disable=self._no_bar)
        with bar:
            while chunk := response.read(_CHUNK):
                try:
                    part.write(chunk)
                    part.flush()
                except OSError as error:
                    raise DownloadError(
                        f"cannot write {self._part}: {error.strerror}; make room and run it again. {self._kept(part)}"
                    ) from error
                bar.update(len(chunk))
        got = self._have(part)
        if total is not None and got > total:
            self._restart(part)
            raise _BrokenError(f"the server sent {got} bytes of a file of {total}")
        if total is not None and got < total:
            raise _BrokenError(f"the connection broke after {got} of {total} bytes")

    @property
    def _no_bar(self) -> bool | None:
        return None if self.progress else True

    def _have(self, part: IO[bytes]) -> int:
        return os.fstat(part.fileno()).st_size

    def _restart(self, part: IO[bytes]) -> int:
        part.truncate(0)
        self._note.unlink(missing_ok=True)
        return 0

    def _check_space(self, version: Version, part: IO[bytes]) -> None:
        have = self._have(part)
        free = shutil.disk_usage(self.target.parent).free
        if version.size - have > free:
            raise DownloadError(
                f"{self.target.name} needs {version.size - have} more bytes, but the disk of {self.target.parent} has "
                f"{free} free; make room and run it again. {self._kept(part)}"
            )

    def _check(self, version: Version) -> None:
        """Compare hashes; a file that differs is set aside, so that the next run does not go on with it."""
        wrong = ""
        if self.sha256 and (got := sha256_of_file(self._part, self.progress)) != self.sha256.lower():
            wrong = f"its SHA-256 is {got}, expected {self.sha256.lower()}"
        elif version.md5 and (got := _md5(self._part)) != version.md5:
            wrong = f"its MD5 is {got}, the server says {version.md5}"
        if wrong:
            aside = self.target.with_name(f"{self.target.name}.mismatch")
            self._part.replace(aside)
            self._note.unlink(missing_ok=True)
            raise DownloadError(f"{self.url} is not the expected file: {wrong}. It was put to {aside}")

    def _refusal(self, error: urllib.error.HTTPError) -> str:
        return (
            f"{self.url}: the server answers {error.code} {error.reason}; the address may be outdated: open it in a "
            f"browser, or give another one with --url"
        )

    def _kept(self, part: IO[bytes]) -> str:
        have = self._have(part)
        if not have:
            return "Nothing was received, and nothing is kept"
        return f"The {have} bytes in {self._part} are kept: run it again to go on from there"


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
