"""What the site takes from the repository while it is built, so that nothing is copied by hand.

A page asks for it in a comment on a line of its own, ``<!-- repository: KIND WORDS -->``; the kinds are functions of
repository.py. Pictures of experiments/ are at the same path in the site.
"""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # mkdocs loads this file by its path, and knows no neighbours
import repository  # noqa: E402

_ASKED = re.compile(r"^<!-- repository: (.+?) -->$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the repository's pictures."""
    repository.pictures.cache_clear()
    for path in repository.pictures():
        files.append(File.generated(config, path, abs_src_path=str(repository.ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put in what a page asks for.

    Raises:
        PluginError: if it asks for something that there is not.
    """
    up = "../" * page.file.src_uri.count("/")

    def answer(found: re.Match[str]) -> str:
        kind, *words = shlex.split(found[1])
        try:
            return repository.ANSWERS[kind](*words, up=up)
        except (KeyError, TypeError, OSError, ValueError) as error:
            raise PluginError(f"{page.file.src_uri}: '{found[1]}': {error!r}") from error

    return _ASKED.sub(answer, markdown)
