"""Draw the README's picture: phantoms of each class over images of a DCGAN trained on them.

    python docs/tools/readme_picture.py

The default recipe with a narrower network and 1,020 steps a class: about 10 minutes on a core.
"""

from skcxr import DCGAN, DCGANOversampler
from skcxr.datasets import make_chest_phantoms
from skcxr.displays import SyntheticSamplesDisplay
from skcxr.over_sampling import grow

phantoms = make_chest_phantoms(280, random_state=0)
gan = DCGAN(base_width=24, max_epochs=30, lr=6e-4, verbose=1)
sampler = DCGANOversampler(gan, sampling_strategy=grow(1.2), random_state=0)
sampler.fit_resample(phantoms.data, phantoms.target)
display = SyntheticSamplesDisplay.from_estimator(
    sampler,
    phantoms.data,
    phantoms.target,
    n_images=10,
    nearest=False,
    class_names=dict(enumerate(phantoms.target_names)),
)
display.figure_.savefig("docs/images/samples.png", dpi=90, bbox_inches="tight")
