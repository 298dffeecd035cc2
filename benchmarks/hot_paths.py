"""Time the operations that users wait for, with pytest-benchmark, on one thread.

    pytest benchmarks/hot_paths.py
    nox -s bench

The second command keeps each run in .benchmarks/, in one folder per machine, and compares it with
the last one. Compare only runs of the same machine, without other work on it.
"""

import sys

import pytest
import torch
from PIL import Image

from skcxr import DCGAN, CXRClassifier
from skcxr._base.images import ImageSpec, TrainingImages
from skcxr.datasets import load_image_folder, make_chest_phantoms
from skcxr.gan._training import GANTraining, TrainingConfig
from skcxr.metrics import audit
from skcxr.networks._precision import has_bfloat16

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def phantoms():
    """Return 280 phantoms of 64x64 in four classes."""
    return make_chest_phantoms(280, random_state=0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_gan_step(benchmark, phantoms, precision):
    """Time a step of the paper's networks with batches of 32 augmented images."""
    device = torch.device("cpu")
    if precision == "bfloat16" and not has_bfloat16(device):
        pytest.skip("this processor has no bfloat16")
    spec = ImageSpec.of(phantoms.data)
    images = TrainingImages(phantoms.data[:70], spec, 64, device)
    training = GANTraining(TrainingConfig.from_estimator(DCGAN.paper()), images, 0, precision)
    benchmark(lambda: training.run_step(training.rows.draw()))


def test_sample(benchmark, phantoms):
    """Time 256 samples of the paper's generator."""
    gan = DCGAN(max_epochs=1, steps_per_epoch=1, batch_size=2, random_state=0).fit(phantoms.data)
    benchmark(gan.sample, 256, random_state=0)


def test_classifier_epoch(benchmark, phantoms):
    """Time a fit of one epoch on 280 augmented images."""
    clf = CXRClassifier(max_epochs=1, random_state=0)
    benchmark(clf.fit, phantoms.data, phantoms.target)


def test_predict_proba(benchmark, phantoms):
    """Time the prediction of 280 images."""
    clf = CXRClassifier(max_epochs=1, random_state=0).fit(phantoms.data, phantoms.target)
    benchmark(clf.predict_proba, phantoms.data)


def test_audit(benchmark, phantoms):
    """Time the audit of 60 synthetic images against 60 training and 60 held-out ones."""
    X = phantoms.data
    benchmark(audit, X[:60], X[60:120], X[120:180], random_state=0)


def test_load(benchmark, tmp_path):
    """Time loading 40 PNG files of 512x512, resized to 64x64."""
    large = make_chest_phantoms(40, image_size=512, random_state=0)
    for i, (image, k) in enumerate(zip(large.images, large.target, strict=True)):
        folder = tmp_path / large.target_names[k]
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{i}.png")
    benchmark(load_image_folder, tmp_path)


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, *sys.argv[1:]]))
