"""Archives from strangers: listed, judged and unpacked without trusting them.

:func:`open_archive` gives a zip, a tar (plain, gzip, bzip2, xz) or a folder one face: a list of members and a stream of
their contents. Names that would leave the target folder condemn the whole archive; links and devices are never made,
only reported; a damaged member is reported and the others go on.
"""

import errno
import os
import stat
import tarfile
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, NoReturn

from tqdm import tqdm

from hybrid_sbir.data.preparation.members import DAMAGE, Archive, ArchiveError, Limits, Problem, safe_name
from hybrid_sbir.data.stores.file_store import is_folder

_NOT_REGULAR = "refused: a link, device or other special file; only regular files are unpacked"
_FOREIGN = {b"7z\xbc\xaf\x27\x1c": "a 7z archive", b"Rar!": "a RAR archive", b"\x28\xb5\x2f\xfd": "compressed by zstd"}
_UNWRITABLE_NAME = (errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EILSEQ)
_CHUNK = 2**20
_PADDING = 2**26  # bytes that may follow the end mark of a tar and are looked at


def open_archive(path: Path | str, limits: Limits | None = None) -> Archive:
    """Open a zip, a tar of any common compression, or a folder, whatever it is called.

    Raises:
        FileNotFoundError: if nothing is there.
        ArchiveError: if it is none of these, ends too early, names files outside of itself, or breaks ``limits``.
    """
    path = Path(path)
    limits = limits or Limits()
    if path.is_dir():
        return _Folder(path, limits)
    if not path.exists():
        raise FileNotFoundError(f"no archive or folder {path}")
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"PK"):
        return _Zip(path, limits)
    for magic, words in _FOREIGN.items():
        if head.startswith(magic):
            raise ArchiveError(
                f"{path} is {words}, which is not read here; unpack it and give the folder as the archive"
            )
    if head.lstrip()[:1] == b"<":
        raise ArchiveError(f"{path} is a web page, not an archive (a log-in or quota page?); download it again")
    return _Tar(path, limits)


def extract(archive: Archive, wanted: Collection[str], folder: Path, progress: bool = True) -> list[Problem]:
    """Write the ``wanted`` members below ``folder``, a bar showing the bytes.

    Returns:
        The members that are damaged, or whose names this file system cannot hold; nothing is left of them.

    Raises:
        ArchiveError: if the archive ends too early.
        OSError: if the disk is full or not writable.
    """
    problems: list[Problem] = []
    total = sum(member.bytes for member in archive.members if member.path in wanted)
    with tqdm(total=total, unit="B", unit_scale=True, desc="unpack", disable=None if progress else True) as bar:
        for path, file in archive.stream(wanted, problems):
            if reason := _copy(file, folder / path, bar):
                problems.append(Problem(path, reason))
    return problems


def _copy(file: IO[bytes], target: Path, bar: "tqdm[NoReturn]") -> str:
    """Copy a member, or return why it could not be; only errors of the member are caught, none of the disk."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        out = target.open("xb")
    except OSError as error:
        if error.errno not in _UNWRITABLE_NAME:
            raise
        return f"refused: {error.strerror}; this file system cannot hold it under that name"
    reason = ""
    with out:
        while not reason:
            try:
                chunk = file.read(_CHUNK)
            except DAMAGE as error:
                reason = f"damaged in the archive: {error}"
                break
            if not chunk:
                return ""
            out.write(chunk)
            bar.update(len(chunk))
    target.unlink()
    return reason


class _Zip(Archive):
    kind = "zip"

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path, limits)
        try:
            self._file = zipfile.ZipFile(path)
        except DAMAGE as error:
            raise _broken(path, str(error)) from error
        self._infos: dict[str, zipfile.ZipInfo] = {}
        infos = self._file.infolist()
        limits.check(str(path), len(infos), sum(info.file_size for info in infos), path.stat().st_size)
        for info in infos:
            if not info.filename:  # zipfile cuts names at a NUL, and its is_dir fails on what is left
                self.problems.append(Problem("a member without a name", "damaged in the archive"))
                continue
            name = safe_name(info.filename.replace("\\", "/"), path)  # some Windows tools write backslashes
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir():
                continue
            if kind not in (0, stat.S_IFREG):
                self.problems.append(Problem(name, _NOT_REGULAR))
            elif self.admit(name, info.file_size):
                self._infos[name] = info

    def stream(self, wanted: Collection[str], problems: list[Problem]) -> Iterator[tuple[str, IO[bytes]]]:
        for name, info in self._infos.items():
            if name in wanted:
                try:
                    file = self._file.open(info)
                except DAMAGE as error:
                    problems.append(Problem(name, f"damaged in the archive: {error}"))
                    continue
                with file:
                    yield name, file

    def close(self) -> None:
        self._file.close()


class _Tar(Archive):
    kind = "tar"

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path, limits)
        packed, unpacked = path.stat().st_size, 0
        for count, (_, info) in enumerate(self._walk(), start=1):
            name = safe_name(info.name, path)
            unpacked += info.size
            limits.check(str(path), count, unpacked, packed)
            if info.isdir():
                continue
            if not info.isreg() or info.issparse():
                self.problems.append(Problem(name, _NOT_REGULAR))
            else:
                self.admit(name, info.size)

    def stream(self, wanted: Collection[str], problems: list[Problem]) -> Iterator[tuple[str, IO[bytes]]]:
        done: set[str] = set()
        for tar, info in self._walk():
            name = safe_name(info.name, self.path)
            if name in wanted and name not in done and info.isreg() and not info.issparse():
                done.add(name)
                file = tar.extractfile(info)
                assert file is not None, f"{name} is a regular file"
                with file:
                    yield name, file

    def _walk(self) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        try:
            with tarfile.open(self.path) as tar:
                while (info := tar.next()) is not None:
                    yield tar, info
                    tar.members.clear()  # type: ignore[attr-defined]  # every header is kept: a gigabyte for ImageNet
                _check_end(tar)
        except DAMAGE as error:
            raise _broken(self.path, str(error)) from error


def _check_end(tar: tarfile.TarFile) -> None:
    """Make sure that a tar ended because it ends: tarfile takes a damaged header for the end, too."""
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError(f"no end mark at byte {tar.offset}")
    for _ in range(_PADDING // _CHUNK):  # to the end of the compressed stream, where its checksum is
        if not tar.fileobj.read(_CHUNK):
            break


class _Folder(Archive):
    kind = "folder"

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path, limits)
        self._visited: set[tuple[int, int]] = set()
        self._scan(path, "")

    def _scan(self, folder: Path, prefix: str) -> None:
        """List ``folder`` in the order of names; links are the user's own and are followed, but never in circles."""
        try:
            status = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self.problems.append(Problem(prefix or ".", f"unreadable: {error.strerror}"))
            return
        if (status.st_dev, status.st_ino) in self._visited:
            self.problems.append(Problem(prefix, "repeated: a link to a folder that is already listed"))
            return
        self._visited.add((status.st_dev, status.st_ino))
        for entry in entries:
            name = prefix + entry.name
            if is_folder(entry):
                self._scan(Path(entry.path), name + "/")
            elif not _is_file(entry):
                self.problems.append(Problem(name, "unreadable: a broken link, or not a regular file"))
            else:
                self.admit(name, entry.stat().st_size)
                self.limits.check(str(self.path), len(self.members), 0, 0)

    def stream(self, wanted: Collection[str], problems: list[Problem]) -> Iterator[tuple[str, IO[bytes]]]:
        for member in self.members:
            if member.path in wanted:
                try:
                    file = (self.path / member.path).open("rb")
                except OSError as error:
                    problems.append(Problem(member.path, f"unreadable: {error.strerror}"))
                    continue
                with file:
                    yield member.path, file


def _is_file(entry: os.DirEntry[str]) -> bool:
    return os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file()  # noqa: PTH113


def _broken(path: Path, reason: str) -> ArchiveError:
    return ArchiveError(
        f"{path} ({path.stat().st_size} bytes) is no complete zip or tar archive: {' '.join(reason.split())}. "
        f"If the download was cut off, download it again; nothing was unpacked"
    )
