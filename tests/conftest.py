"""Images and small estimators that many tests share."""

import os
from contextlib import contextmanager
from pathlib import Path

# Before SciPy is imported: scikit-learn skips its check of array API input without it.
os.environ["SCIPY_ARRAY_API"] = "1"

import numpy as np
import pytest
import torch

from skcxr import DCGAN, CXRClassifier
from skcxr.datasets import load_image_folder, make_chest_phantoms
from tests.report.report_run import write_phantom_report

# Small networks gain nothing from threads, and tests may run beside others.
torch.set_num_threads(1)


def pytest_runtest_setup(item):
    """Skip tests marked `cuda` where there is no such GPU."""
    if item.get_closest_marker("cuda") and not torch.cuda.is_available():
        pytest.skip("needs a GPU with CUDA")


@pytest.fixture(scope="session")
def phantoms():
    """48 phantoms of 16x16 in four classes."""
    return make_chest_phantoms(48, image_size=16, random_state=0)


@pytest.fixture
def tiny_gan():
    """A DCGAN that trains in a fraction of a second."""
    return DCGAN(
        image_size=16, base_width=4, max_epochs=1, steps_per_epoch=2, batch_size=8, random_state=0
    )


@pytest.fixture
def tiny_clf():
    """A classifier that trains in a fraction of a second."""
    return CXRClassifier(max_epochs=2, batch_size=32, random_state=0)


@pytest.fixture
def global_generators():
    """Checks after the test that NumPy's and PyTorch's global generators are as they were."""
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 -- the global generator is what is tested
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    yield
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002


@contextmanager
def full_disk(n_bytes=1000):
    """No file grows beyond `n_bytes` within, as on a disk that fills while it is written."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(scope="session")
def report_run(tmp_path_factory):
    """A Report with all its files, report.html among them."""
    return write_phantom_report(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def data_folder():
    """Folder of the real radiographs, or skip."""
    folder = Path(os.environ.get("SKCXR_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "covid_cxr").is_dir():
        pytest.skip(f"real radiographs are not at {folder}; set SKCXR_DATA")
    return folder


@pytest.fixture(scope="session")
def radiographs(data_folder):
    """The 270 real training images at 64x64: data, target names of each row, patients."""
    folder = data_folder / "covid_cxr"
    images = load_image_folder(folder, groups=folder / "metadata.csv")
    train = images.split == "train"
    names = images.target_names[images.target]
    return images.data[train], names[train], np.asarray(images.groups[train], dtype=str)
