"""One index for all tests of queries: it takes seconds to make."""

import pytest

from tests.search.sketching import write_index, write_model, write_photos


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="session")
def small_index(photo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    return write_index(folder / "index", write_model(folder / "model.safetensors"), photo_folder)
