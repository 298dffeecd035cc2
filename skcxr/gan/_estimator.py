"""DCGAN: a generative estimator of images, with scikit-learn's interface."""

from __future__ import annotations

from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from skcxr._base.estimators import EpochHistory, Estimator
from skcxr._base.images import pad_to_square
from skcxr._base.parallel import resolve_device
from skcxr._base.parameters import validate_before
from skcxr._base.validation import convert_and_validate
from skcxr.gan._fit import convert_to_rows, fit_dcgan
from skcxr.gan._weights import NO_DISCRIMINATOR, read_gan, write_gan
from skcxr.networks import Discriminator
from skcxr.networks._dcgan import IMAGE_SIZES
from skcxr.networks._inference import forward_in_batches
from skcxr.networks._precision import PRECISIONS
from skcxr.persistence._state import Persistent

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

    from skcxr._base.images import ImageSpec
    from skcxr._base.types import (
        Augmentation,
        Device,
        Features,
        Images,
        ImageShape,
        Path,
        Precision,
        RandomState,
    )
    from skcxr.networks import Generator


class DCGAN(EpochHistory, Persistent, Estimator):
    """Deep convolutional GAN for a small set of images of one class.

    How it works:

    - `fit` infers the images' layout and range and trains the paper's two networks in turn: the
      discriminator on a real and a synthetic batch, then the generator against the updated
      discriminator.
    - Training is counted in steps, ``max_epochs * steps_per_epoch``, not in passes over the images,
      which may be as few as two.
    - The default recipe came nearest to unseen radiographs in training on sixty: the paper's
      networks and steps, with differentiable augmentation, no dropout and `mode_seeking`.
      :meth:`paper` is the paper's own recipe.
    - `sample` returns images in the layout, dtype and range of the training images.

    Parameters
    ----------
    latent_dim : int, default=100
        Length of the latent vectors, uniform on [-1, 1].
    image_size : {16, 32, 64, 128, 256}, default=64
        Side of the images that the networks process. Smaller images are padded to it with the
        smallest value and cropped back; larger ones are refused.
    base_width : int, default=64
        Channels of the networks' outermost layers. Training time grows almost with its square.
    max_epochs : int, default=200
        Number of epochs. After each one, statistics are added to `history_`.
    steps_per_epoch : int, default=34
        Updates of both networks per epoch.
    batch_size : int, default=32
        Real images, and synthetic images, per step. They are drawn with replacement if there are
        fewer.
    lr : float, default=2e-4
        Adam's learning rate, for both networks.
    betas : tuple of two floats, default=(0.5, 0.999)
        Adam's decay rates.
    dropout : float, default=0.0
        Rate of the discriminator's dropout layers.
    augment : "classic", callable or None, default=None
        Augmentation of real batches only. "classic" stands for small rotations, shifts and scalings
        (:class:`skcxr.augment.Affine`), a callable takes (tensor (n, c, h, w), torch.Generator).
        Synthetic images come out augmented as well.
    diff_augment : "classic", callable or None, default="classic"
        Differentiable augmentation of all images that the discriminator sees, real and synthetic,
        in both networks' updates [4]_; the same choices as for `augment`. This keeps the
        discriminator from memorizing a small data set, without leaking augmentation into the
        samples.
    mode_seeking : float, default=0.3
        Weight of a term in the generator's loss that is small where different latent vectors lead
        to different images [5]_. 0 leaves it out.
    image_shape : tuple of int or None, default=None
        (height, width) or (channels, height, width) of the images in the rows of a flat X. None
        assumes square images of one channel.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Arithmetic of the networks in training. "auto" is bfloat16 on processors that have it,
        which takes half of the time, and float32 on others. Weights, losses and the optimizers are
        float32, and so are `sample` and `decision_function`. A training that resumes from a
        `checkpoint` keeps its precision.
    device : str, default="auto"
        PyTorch device. "auto" is CUDA if available; with several GPUs, each worker takes its own.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, batches, latent vectors and augmentation. Pass an int for reproducible
        results. PyTorch's global generators are neither used nor changed.
    verbose : int, default=0
        Verbosity. 1 shows a progress bar with the statistics of the last epoch.
    monitor : str, path, callable or None, default=None
        Features of :func:`skcxr.metrics.features.feature_extractor`, such as "cxr", in which
        samples are compared with the training images during training. None measures nothing.
    monitor_every : int, default=10
        Epochs between two such comparisons. The last epoch has one too.
    checkpoint : str, path or None, default=None
        File that the state of training is saved to. `fit` with the same images and parameters
        resumes from it, with the same result, bit by bit, as if it had not been stopped; only
        `max_epochs` may have grown. A path without a suffix is a folder, in which each training has
        a file named after its images and parameters: pass one for :class:`DCGANOversampler`,
        cross-validation and searches. Checkpoints are keyed by seed: without a fixed seed, leave
        `random_state` unset so that training resumes with the stored one. None saves nothing.
    checkpoint_every : int, default=10
        Epochs between two saves. The last epoch and Ctrl-C save too.
    warm_start : bool, default=False
        Whether `fit` starts from the networks of the last fit. Their optimizers start anew.
    weights : "cxr", str, path or None, default=None
        Weights that training starts from. A file that :meth:`save_weights` wrote with
        ``discriminator=True`` holds networks trained on a pool of further images, which need no
        labels. "cxr" is the file that comes with skcxr (see :meth:`pretrained`). `latent_dim`,
        `image_size`, `base_width` and the number of channels must be those of the file. Fewer
        steps are needed then. Later fits under `warm_start` start from the last fit. None starts
        from random weights.

    Attributes
    ----------
    generator_ : Generator
        Fitted generator, in evaluation mode, on the CPU.
    discriminator_ : Discriminator
        Fitted discriminator, in evaluation mode, on the CPU.
    history_ : pandas.DataFrame
        One row per epoch with means over its steps: ``epoch``; ``loss_d``, the sum of the binary
        cross-entropies of the real and the synthetic batch; ``loss_g``, including the term of
        `mode_seeking`; ``d_x``, the discriminator's mean output on real images; ``d_g_z1`` and
        ``d_g_z2``, its mean output on the same synthetic images before and after its update;
        ``seconds`` of training. Monitored epochs also have ``kernel_distance`` and
        ``frechet_distance`` between the training images and as many samples (256 at most), and
        ``inception_score`` if the features have a classifier.
    monitor_ : dict or None
        Facts to report with the monitored figures: ``extractor``, ``layer``, ``d``, ``n_real``,
        ``n_fake``, and ``floor``, the distances between random halves of the training images.
    precision_ : {"float32", "bfloat16"} or None
        Arithmetic that was used. None after :meth:`load_weights`.
    spec_ : ImageSpec
        Layout, dtype and range of the training images.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, if X had string column names.

    See Also
    --------
    DCGANOversampler : One DCGAN for each class that is to grow.

    References
    ----------
    .. [1] Davoodi and Lo Giudice, "Synthetic of Chest X-ray Images".
    .. [2] Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
       Convolutional Generative Adversarial Networks", ICLR 2016.
    .. [3] Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014, section 3 (the
       non-saturating loss).
    .. [4] Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020,
       section 3.2.
    .. [5] Mao et al., "Mode Seeking Generative Adversarial Networks for Diverse Image Synthesis",
       CVPR 2019, equation 2.

    Examples
    --------
    >>> from skcxr import DCGAN
    >>> from skcxr.datasets import make_chest_phantoms
    >>> X = make_chest_phantoms(20, image_size=16, random_state=0).images
    >>> gan = DCGAN(image_size=16, base_width=8, max_epochs=2, random_state=0).fit(X)
    >>> gan.sample(3, random_state=0).shape
    (3, 16, 16)
    >>> gan.history_["epoch"].tolist()
    [1, 2]
    """

    generator_: Generator
    discriminator_: Discriminator
    monitor_: dict[str, Any] | Any  # None without a monitor
    precision_: Literal["float32", "bfloat16"] | None
    spec_: ImageSpec
    n_features_in_: int
    feature_names_in_: NDArray[Any]

    _parameter_constraints: dict = {
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "image_size": [Options(Integral, set(IMAGE_SIZES))],
        "base_width": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "steps_per_epoch": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "betas": [tuple, list],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "augment": [StrOptions({"classic"}), callable, None],
        "diff_augment": [StrOptions({"classic"}), callable, None],
        "mode_seeking": [Interval(Real, 0, None, closed="left")],
        "image_shape": [tuple, list, None],
        "precision": [StrOptions(set(PRECISIONS))],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "monitor": [str, PathLike, callable, None],
        "monitor_every": [Interval(Integral, 1, None, closed="left")],
        "checkpoint": [str, PathLike, None],
        "checkpoint_every": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "weights": [str, PathLike, None],
    }

    def __init__(
        self,
        *,
        latent_dim: int = 100,
        image_size: int = 64,
        base_width: int = 64,
        max_epochs: int = 200,
        steps_per_epoch: int = 34,
        batch_size: int = 32,
        lr: float = 2e-4,
        betas: tuple[float, float] | list[float] = (0.5, 0.999),
        dropout: float = 0.0,
        augment: Augmentation | None = None,
        diff_augment: Augmentation | None = "classic",
        mode_seeking: float = 0.3,
        image_shape: ImageShape | None = None,
        precision: Precision = "auto",
        device: Device = "auto",
        random_state: RandomState | None = None,
        verbose: int = 0,
        monitor: Features | None = None,
        monitor_every: int = 10,
        checkpoint: Path | None = None,
        checkpoint_every: int = 10,
        warm_start: bool = False,
        weights: Path | None = None,
    ) -> None:
        self.latent_dim = latent_dim
        self.image_size = image_size
        self.base_width = base_width
        self.max_epochs = max_epochs
        self.steps_per_epoch = steps_per_epoch
        self.batch_size = batch_size
        self.lr = lr
        self.betas = betas
        self.dropout = dropout
        self.augment = augment
        self.diff_augment = diff_augment
        self.mode_seeking = mode_seeking
        self.image_shape = image_shape
        self.precision = precision
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.monitor = monitor
        self.monitor_every = monitor_every
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.warm_start = warm_start
        self.weights = weights

    @classmethod
    def paper(cls, **params: Any) -> Self:
        """Return the paper's exact recipe, in every version of skcxr.

        Tables 1 and 2 at 64x64, 200 epochs of 34 steps of 32 images, Adam with learning rate
        2e-4 and betas (0.5, 0.999), real batches with classic augmentation.

        Parameters
        ----------
        **params : dict
            Parameters that replace the paper's.

        Returns
        -------
        gan : DCGAN
            Unfitted estimator.
        """
        recipe: dict[str, Any] = {
            "latent_dim": 100,
            "image_size": 64,
            "base_width": 64,
            "max_epochs": 200,
            "steps_per_epoch": 34,
            "batch_size": 32,
            "lr": 2e-4,
            "betas": (0.5, 0.999),
            "dropout": 0.5,
            "augment": "classic",
            "diff_augment": None,
            "mode_seeking": 0.0,
        }
        return cls(**(recipe | params))

    @classmethod
    def pretrained(cls, **params: Any) -> Self:
        """Return the recipe for fine-tuning the GAN that comes with skcxr.

        That GAN was trained without labels on 2,012 radiographs of children, those of Kermany et
        al. (2018). Fine-tuning takes 200 steps. Do not evaluate on images that it was trained on:
        :func:`skcxr.evaluation.find_pretraining_overlap` finds them.

        Parameters
        ----------
        **params : dict
            Parameters that replace those of the recipe. ``weights=path`` puts a file of your own in
            place of "cxr"; pass its `base_width` too if it is another one.

        Returns
        -------
        gan : DCGAN
            Unfitted estimator.

        Examples
        --------
        >>> from skcxr import DCGAN
        >>> gan = DCGAN.pretrained(random_state=0)
        >>> gan.weights, gan.base_width, gan.max_epochs * gan.steps_per_epoch
        ('cxr', 24, 200)
        """
        recipe: dict[str, Any] = {
            "weights": "cxr",
            "base_width": 24,
            "lr": 2e-4 * 64 / 24,
            "max_epochs": 20,
            "steps_per_epoch": 10,
        }
        return cls(**(recipe | params))

    @validate_before
    def fit(self, X: Images, y: object = None) -> Self:
        """Train the two networks on the images X.

        Parameters
        ----------
        X : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
            At least two images, of any numeric dtype and range.
        y : None
            Ignored. It is here for scikit-learn's conventions.

        Returns
        -------
        self : DCGAN
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or X is invalid. Nothing was trained then.
        FloatingPointError
            If a loss is NaN, infinite or exploding.
        """
        return fit_dcgan(self, X)

    def sample(self, n_samples: int = 1, random_state: RandomState | None = None) -> NDArray[Any]:
        """Draw synthetic images.

        Parameters
        ----------
        n_samples : int, default=1
            Number of images.
        random_state : int, RandomState instance or None, default=None
            Seed of the latent vectors. The first rows do not depend on `n_samples`.

        Returns
        -------
        X : ndarray of shape (n_samples, ...)
            Images in the layout, dtype and range of the training images.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or isinstance(n_samples, bool) or n_samples < 1:
            raise ValueError(f"n_samples must be an int >= 1, got {n_samples!r}.")
        rng = check_random_state(random_state)

        def draw_latent(rows):
            shape = (rows.stop - rows.start, self.latent_dim, 1, 1)
            return torch.from_numpy(rng.uniform(-1, 1, shape).astype(np.float32))

        X = np.empty((n_samples, *self.spec_.row_shape), self.spec_.dtype)
        batches = forward_in_batches(
            self.generator_,
            draw_latent,
            n_samples,
            device=resolve_device(self.device),
        )
        for rows, images in batches:
            X[rows] = convert_to_rows(self.spec_, images)
        return X

    def decision_function(self, X: Images) -> NDArray[np.float64]:
        """Return the discriminator's logits, which are larger for images it takes for real.

        Parameters
        ----------
        X : array-like
            Images in the layout of those passed to `fit`.

        Returns
        -------
        logits : ndarray of shape (n,), float64
            Logits, unbounded; 0 is a probability of one half.
        """
        check_is_fitted(self)
        check_is_fitted(self, "discriminator_", msg=NO_DISCRIMINATOR)
        X = convert_and_validate(self, X, reset=False)

        self.spec_.warn_of_range(X)

        def load_images(rows):
            return pad_to_square(self.spec_.to_tensor(X[rows]), self.image_size)

        logits = np.empty(len(X))
        batches = forward_in_batches(
            self.discriminator_,
            load_images,
            len(X),
            device=resolve_device(self.device),
            forward=Discriminator.logits,
        )
        for rows, outputs in batches:
            logits[rows] = outputs.flatten().numpy()
        return logits

    def save_weights(
        self, path: Path, *, discriminator: bool = False, training_images: Images | None = None
    ) -> None:
        """Write the fitted generator to a safetensors file, which cannot hold code.

        Parameters
        ----------
        path : str or path
            File to write. An existing one is replaced, completely or not at all.
        discriminator : bool, default=False
            Whether to write the discriminator too. It distinguishes training images from others:
            do not give it to people who must not learn whose images you had.
        training_images : array-like or None, default=None
            Images that the networks were trained on. The file gets a fingerprint of 32 bytes of
            each, from which :func:`skcxr.evaluation.find_pretraining_overlap` recognizes the
            radiograph. A fingerprint does not show an image. None writes no fingerprints.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        write_gan(self, path, discriminator=discriminator, training_images=training_images)

    def load_weights(self, path: Path) -> Self:
        """Become fitted with the weights that :meth:`save_weights` wrote.

        Parameters
        ----------
        path : str or path
            File to read. `latent_dim`, `image_size` and `base_width` must be those it was saved
            with.

        Returns
        -------
        self : DCGAN
            Estimator with an empty `history_`, which the file does not hold, and with a
            `discriminator_` if the file holds one.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such file, or if it is broken, of another format, or of other parameters.
            The message says what differs, and the estimator stays as it was.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from skcxr import DCGAN
        >>> from skcxr.datasets import make_chest_phantoms
        >>> X = make_chest_phantoms(20, image_size=16, random_state=0).images
        >>> gan = DCGAN(image_size=16, base_width=8, max_epochs=2, random_state=0).fit(X)
        >>> with TemporaryDirectory() as folder:
        ...     gan.save_weights(Path(folder) / "gan.safetensors")
        ...     same = DCGAN(image_size=16, base_width=8).load_weights(
        ...         Path(folder) / "gan.safetensors"
        ...     )
        >>> bool((same.sample(3, random_state=0) == gan.sample(3, random_state=0)).all())
        True
        """
        self._validate_params()
        return read_gan(self, path)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.sparse = True
        return tags
