"""DCGAN: a generative estimator of images, with scikit-learn's interface."""

import time
from contextlib import nullcontext
from functools import partial
from numbers import Integral, Real
from os import PathLike

import numpy as np
import torch
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data
from tqdm.auto import tqdm

from skcxr._base.estimators import Documented, EpochHistory
from skcxr._base.images import (
    ImageSpec,
    TrainingImages,
    check_one_size,
    crop_from_square,
    pad_to_square,
)
from skcxr._base.parallel import limit_threads, resolve_device, use_repeatable_convolutions
from skcxr.gan._checkpoint import Checkpoint, fingerprint_training, hash_states
from skcxr.gan._cuda_graph import own_stream
from skcxr.gan._training import GANTraining, check_converging, format_statistics
from skcxr.gan._weights import NO_DISCRIMINATOR, SHAPING_PARAMETERS, GANWeights
from skcxr.networks._dcgan import IMAGE_SIZES, Discriminator, forward_in_batches
from skcxr.networks._precision import PRECISIONS, resolve_precision
from skcxr.persistence._state import Persistent, describe_network

INFERENCE_BATCH = 64
# What a training's result hangs on, beside images, seed and device; not on how long it goes on.
TRAINING_PARAMETERS = ("latent_dim", "image_size", "base_width", "steps_per_epoch", "batch_size")
TRAINING_PARAMETERS += ("lr", "betas", "dropout", "augment", "diff_augment", "mode_seeking")


class DCGAN(Documented, EpochHistory, GANWeights, Persistent, BaseEstimator):
    """Deep convolutional GAN for a small set of images of one class.

    How it works:

    - `fit` infers the images' layout and range and trains the paper's two networks in turn: the
      discriminator on a real and a synthetic batch, then the generator against it.
    - Training is counted in steps, ``max_epochs * steps_per_epoch``, never in passes over the
      images, which may be as few as two.
    - The defaults are what came nearest to unseen radiographs from sixty (``docs/small_sets.md``):
      the paper's networks and steps, augmentation of all that the discriminator sees, no dropout
      and `mode_seeking`. :meth:`paper` is the paper's own recipe.
    - `sample` returns images in the layout, dtype and range of the training images.

    Parameters
    ----------
    latent_dim : int, default=100
        Length of the latent vectors, uniform on [-1, 1].
    image_size : {16, 32, 64, 128, 256}, default=64
        Side of the images that the networks see. Smaller images are padded to it with the
        smallest value and cropped back; larger ones are refused.
    base_width : int, default=64
        Channels of the networks' outermost layers. Time grows nearly with its square.
    max_epochs : int, default=200
        Epochs: after each, statistics go into `history_`.
    steps_per_epoch : int, default=34
        Updates of both networks in an epoch.
    batch_size : int, default=32
        Real, and synthetic, images in a step. Drawn with replacement if there are fewer.
    lr : float, default=2e-4
        Adam's learning rate, for both networks.
    betas : tuple of two floats, default=(0.5, 0.999)
        Adam's decay rates.
    dropout : float, default=0.0
        Rate of the discriminator's dropout layers.
    augment : "classic", callable or None, default=None
        Augmentation of real batches alone: small rotations, shifts and scalings
        (:class:`skcxr.augment.Affine`), a callable on (tensor (n, c, h, w), torch.Generator), or
        none. Synthetic images come out augmented as well.
    diff_augment : "classic", callable or None, default="classic"
        Differentiable augmentation of all that the discriminator sees, real and synthetic, in both
        networks' steps [4]_, as `augment` takes it. A discriminator can not learn sixty images by
        heart that it never sees twice alike, and synthetic ones do not come out augmented.
    mode_seeking : float, default=0.3
        Weight of a term in the generator's loss that is small where different latent vectors lead
        to different images [5]_; 0 is none.
    image_shape : tuple of int or None, default=None
        (height, width) or (channels, height, width) that the rows of a flat X have; None takes
        square ones of one channel.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Arithmetic of the networks in training. bfloat16 takes half of the time where the processor
        has it; "auto" takes it where a short check finds it faster and right. Weights, losses and
        the optimizers are float32, and so are `sample` and `decision_function`. A training that
        goes on from a `checkpoint` keeps what "auto" was when it began.
    device : str, default="auto"
        PyTorch device; "auto" is CUDA where there is one: of several, each worker takes its own.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, batches, latent vectors and augmentation. Pass an int for reproducible
        results. PyTorch's global generators are neither used nor changed.
    verbose : int, default=0
        1 shows a progress bar with the statistics of the last epoch.
    monitor : str, path, callable or None, default=None
        Features of :func:`skcxr.metrics.features.feature_extractor`, such as "cxr", by which
        samples are compared with the training images while training goes on.
    monitor_every : int, default=10
        Epochs from one such comparison to the next; the last epoch has one too.
    checkpoint : str, path or None, default=None
        File that the state of training is kept in. `fit` with the same images and parameters goes
        on from it, to the same result, bit by bit, as if it had not been stopped; only `max_epochs`
        may have grown. A path without a suffix is a folder, in which each training has a file of
        its own, named by its images and parameters: pass one under :class:`DCGANOversampler`,
        cross-validation and searches. Without a seed, a training goes on with that of the file.
    checkpoint_every : int, default=10
        Epochs from one such save to the next; the last epoch and Ctrl-C save too.
    warm_start : bool, default=False
        Whether `fit` begins with the networks of the last fit. Their optimizers begin anew.

    Attributes
    ----------
    generator_ : Generator
        Fitted, in evaluation mode, on the CPU.
    discriminator_ : Discriminator
        Fitted, in evaluation mode, on the CPU.
    history_ : pandas.DataFrame
        A row an epoch, each value a mean over its steps: ``epoch``; ``loss_d``, the sum of the real
        and the synthetic batch's binary cross-entropies; ``loss_g``, with the term of
        `mode_seeking`; ``d_x``, the discriminator's mean output on real images; ``d_g_z1`` and
        ``d_g_z2``, that on the same synthetic images before and after the discriminator's update;
        ``seconds`` of training. Epochs that were monitored also have ``kernel_distance`` and
        ``frechet_distance`` between as many samples as training images (256 at most) and those, and
        ``inception_score`` where the features have a classifier.
    monitor_ : dict or None
        What belongs beside the monitored figures: ``extractor``, ``layer``, ``d``, ``n_real``,
        ``n_fake``, and ``floor``, the distances between random halves of the training images.
    precision_ : {"float32", "bfloat16"}
        What `precision` was taken for; None after :meth:`load_weights`.
    spec_ : ImageSpec
        Layout, dtype and range of the training images.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, when X had string column names.

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
    }

    def __init__(
        self,
        *,
        latent_dim=100,
        image_size=64,
        base_width=64,
        max_epochs=200,
        steps_per_epoch=34,
        batch_size=32,
        lr=2e-4,
        betas=(0.5, 0.999),
        dropout=0.0,
        augment=None,
        diff_augment="classic",
        mode_seeking=0.3,
        image_shape=None,
        precision="auto",
        device="auto",
        random_state=None,
        verbose=0,
        monitor=None,
        monitor_every=10,
        checkpoint=None,
        checkpoint_every=10,
        warm_start=False,
    ):
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

    @classmethod
    def paper(cls, **params):
        """The paper's exact recipe, for ever; `params` replace single values.

        Tables 1 and 2 at 64x64, 200 epochs of 34 steps of 32 images, Adam with learning rate
        2e-4 and betas (0.5, 0.999), real batches under classic augmentation.

        Parameters
        ----------
        **params : dict
            Parameters that are to be others than the paper's.

        Returns
        -------
        gan : DCGAN
            Not fitted.
        """
        recipe = {
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

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Train the two networks on the images X.

        Parameters
        ----------
        X : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
            At least two images, of any numeric dtype and range.
        y : None
            Ignored; here for scikit-learn's conventions.

        Returns
        -------
        self : DCGAN
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or X is out of its domain. Nothing was trained then.
        FloatingPointError
            If a loss is NaN, infinite or exploding.
        """
        return self._fit(X)

    def _fit(self, X, labels=None):
        """`fit`; with `labels`, ints from 0, of networks that are conditional on them."""
        check_one_size(X)
        X = validate_data(self, X, allow_nd=True, ensure_min_samples=2)
        spec = ImageSpec.of(X, self.image_shape)
        _, height, width = spec.shape
        if max(height, width) > self.image_size:
            raise ValueError(
                f"X holds images of {height}x{width}, larger than image_size={self.image_size}. "
                "Pass a larger image_size (16, 32, 64, 128 or 256), or smaller images."
            )
        betas_are_real = len(self.betas) == 2 and all(isinstance(b, Real) for b in self.betas)
        if not (betas_are_real and all(0 <= beta < 1 for beta in self.betas)):
            raise ValueError(f"betas must be two numbers in [0, 1), got {self.betas!r}.")
        device = resolve_device(self.device)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        measure = self._sample_monitor(X, spec, seed)
        if labels is not None:
            labels = torch.as_tensor(labels, dtype=torch.int64)
        images = TrainingImages(X, spec, self.image_size, device)
        with limit_threads():
            start = self._start(images)
            checkpoint = self._checkpoint(images, labels, seed, start)
            saved = checkpoint.load() if checkpoint else None
            # A training stays in the precision that it began in, also where another machine, or
            # the check on a busy one, would choose the other. The check too takes a number of
            # threads of its own, and puts it back.
            precision = saved["precision"] if saved else resolve_precision(self.precision, device)
            with own_stream(device), use_repeatable_convolutions(device):
                training = GANTraining(self, images, seed, precision, start, labels)
                fitted = self._train(training, checkpoint, saved, measure)
        # Set together and last: networks and spec belong together, also after a fit that failed.
        self.generator_, self.discriminator_, self._history = fitted
        self.precision_ = precision
        self.monitor_ = measure.context if measure else None
        self.spec_ = spec
        return self

    def _sample_monitor(self, X, spec, seed):
        """What measures a generator's samples, or None."""
        if self.monitor is None:
            return None
        # Imported here: most fits have no monitor, and need no features.
        from skcxr.gan._monitor import SampleMonitor

        try:
            return SampleMonitor(
                self.monitor,
                X,
                to_array=partial(_as_rows, spec),
                latent_dim=self.latent_dim,
                image_shape=self.image_shape,
                seed=seed,
            )
        except (ValueError, FileNotFoundError) as error:
            raise type(error)(f"monitor={self.monitor!r}: {error}") from error

    def _train(self, training, checkpoint, saved, measure):
        """Train on the images' device; returns G, D and the history."""
        history = saved["history"] if saved else []
        if saved:
            self._check_length(len(history))
            training.restore(saved["training"])
        try:
            with self._bar(n_epochs_done=len(history)) as bar:
                for epoch in range(len(history) + 1, self.max_epochs + 1):
                    start, last = time.perf_counter(), epoch == self.max_epochs
                    row = training.epoch(self.steps_per_epoch, partial(_show, bar, epoch))
                    row |= {"seconds": time.perf_counter() - start}
                    if measure and (epoch % self.monitor_every == 0 or last):
                        row |= measure(training.G)
                    history.append({"epoch": epoch, **row})
                    if bar is not None:
                        bar.set_postfix_str(format_statistics(history, measure and measure.context))
                    check_converging(history[-1], training.G)
                    if checkpoint:
                        state = {"training": training.state(), "history": list(history)}
                        state["precision"] = training.precision
                        checkpoint.keep(state, write=epoch % self.checkpoint_every == 0 or last)
        except KeyboardInterrupt:
            if checkpoint:
                checkpoint.write_kept()
            raise
        return *training.networks(), history

    def _bar(self, n_epochs_done):
        """A progress bar over steps, or None.

        A disabled one would still take tqdm's lock, which is shared by forked processes: one that
        was killed while it held the lock would stop all others for ever.
        """
        if not self.verbose:
            return nullcontext()
        n_steps = self.max_epochs * self.steps_per_epoch
        return tqdm(total=n_steps, initial=n_epochs_done * self.steps_per_epoch, unit="step")

    def _start(self, images):
        """The weights of both networks that training begins with; None are random ones."""
        if not (self.warm_start and hasattr(self, "generator_")):
            return None
        check_is_fitted(self, "discriminator_", msg=NO_DISCRIMINATOR)
        params = describe_network(self.generator_)["params"]
        own = {name: getattr(self, name) for name in SHAPING_PARAMETERS}
        wanted = {**own, "n_channels": images.n_channels}
        differing = [name for name in wanted if params[name] != wanted[name]]
        if differing:
            words = ", ".join(f"{name}={params[name]}" for name in differing)
            raise ValueError(
                f"warm_start=True goes on from networks of {words}, and now it would be "
                + ", ".join(f"{name}={wanted[name]}" for name in differing)
                + ". Pass the same, or warm_start=False."
            )
        return self.generator_.state_dict(), self.discriminator_.state_dict()

    def _checkpoint(self, images, labels, seed, start):
        """The file of this training, if there is to be one, by all that its result hangs on."""
        if self.checkpoint is None:
            return None
        params = {name: getattr(self, name) for name in TRAINING_PARAMETERS}
        # Without a seed of its own, a training takes that of the file.
        params["seed"] = None if self.random_state is None else seed
        params |= {"device": images.device.type, "precision": self.precision}
        params["image_shape"] = images.spec.shape
        if start is not None:
            params["start"] = hash_states(start)
        if labels is not None:
            params["labels"] = hash_states([{"": labels}])
        return Checkpoint.at(self.checkpoint, fingerprint_training(images.X, params))

    def _check_length(self, n_epochs):
        if n_epochs > self.max_epochs:
            raise ValueError(
                f"checkpoint={str(self.checkpoint)!r} holds {n_epochs} epochs of training, more "
                f"than max_epochs={self.max_epochs}. Pass a larger max_epochs (a larger "
                "fine_tune_epochs, after pooled pretraining) or another file."
            )

    def sample(self, n_samples=1, random_state=None):
        """Draw synthetic images.

        Parameters
        ----------
        n_samples : int, default=1
            How many.
        random_state : int, RandomState instance or None, default=None
            Seed of the latent vectors; the first rows do not depend on `n_samples`.

        Returns
        -------
        X : ndarray of shape (n_samples, ...)
            In the layout, dtype and range of the training images.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or isinstance(n_samples, bool) or n_samples < 1:
            raise ValueError(f"n_samples must be an int >= 1, got {n_samples!r}.")
        rng = check_random_state(random_state)

        def latent(rows):
            z = rng.uniform(-1, 1, (rows.stop - rows.start, self.latent_dim, 1, 1))
            return torch.from_numpy(z.astype(np.float32))

        X = np.empty((n_samples, *self.spec_.row_shape), self.spec_.dtype)
        for rows, images in forward_in_batches(
            self.generator_,
            latent,
            n_samples,
            batch_size=INFERENCE_BATCH,
            device=resolve_device(self.device),
        ):
            X[rows] = _as_rows(self.spec_, images)
        return X

    def decision_function(self, X):
        """The discriminator's logits: the larger, the more real it holds an image for.

        Parameters
        ----------
        X : array-like
            Images laid out as those of `fit`.

        Returns
        -------
        logits : ndarray of shape (n,), float64
            Unbounded; 0 is a probability of one half.
        """
        check_is_fitted(self)
        check_is_fitted(self, "discriminator_", msg=NO_DISCRIMINATOR)
        check_one_size(X)
        X = validate_data(self, X, allow_nd=True, reset=False)
        logits = np.empty(len(X))
        for rows, outputs in forward_in_batches(
            self.discriminator_,
            lambda rows: pad_to_square(self.spec_.to_tensor(X[rows]), self.image_size),
            len(X),
            batch_size=INFERENCE_BATCH,
            device=resolve_device(self.device),
            forward=Discriminator.logits,
        ):
            logits[rows] = outputs.flatten().numpy()
        return logits

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _show(bar, epoch, step, n_steps):
    """Tell the progress bar, if there is one, of a step."""
    if bar is not None:
        bar.set_description(f"Epoch {epoch} {step}/{n_steps}", refresh=False)
        bar.update()


def _as_rows(spec, images):
    """A generator's square `images` in the caller's layout, dtype and range."""
    return spec.to_array(crop_from_square(images, *spec.shape[1:]))
