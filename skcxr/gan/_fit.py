"""Fitting a DCGAN: validate, build the training, loop over epochs, store the result."""

import time
from contextlib import nullcontext
from numbers import Real

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from skcxr._base.images import ImageSpec, TrainingImages, crop_from_square
from skcxr._base.parallel import limit_threads, resolve_device, use_repeatable_convolutions
from skcxr._base.user_code import hash_user_code
from skcxr._base.validation import convert_and_validate
from skcxr._version import __version__
from skcxr.gan._checkpoint import Checkpoint, SavedTraining, fingerprint_training, hash_states
from skcxr.gan._cuda_graph import own_stream
from skcxr.gan._training import GANTraining, TrainingConfig, check_convergence
from skcxr.gan._weights import NO_DISCRIMINATOR, SHAPING_PARAMETERS, read_start
from skcxr.networks._precision import resolve_precision


def fit_dcgan(gan, X, labels=None):
    """Fit a DCGAN to the images X.

    Parameters
    ----------
    gan : DCGAN
        Estimator, whose parameters are valid by themselves.
    X : array-like
        Images, as ``DCGAN.fit`` takes them.
    labels : array-like of shape (n,), int, or None, default=None
        Class of each image, from 0: the networks are then conditional on it. None fits plain
        networks.

    Returns
    -------
    gan : DCGAN
        The fitted estimator.
    """
    # Validate. Nothing is trained if anything is wrong.
    X = convert_and_validate(gan, X, ensure_min_samples=2)
    spec = ImageSpec.of(X, gan.image_shape)
    _check_size(spec, gan.image_size)
    _check_betas(gan.betas)
    if gan.weights is not None and labels is not None:
        raise ValueError(
            f"weights={str(gan.weights)!r} holds plain networks, and a GAN conditional on classes "
            "cannot start from them. Use DCGANOversampler, or pass weights=None."
        )
    device = resolve_device(gan.device)
    seed = int(check_random_state(gan.random_state).randint(np.iinfo(np.int32).max))
    monitor = _build_monitor(gan, X, seed)

    # Build the training, or load it as it was when it stopped.
    config = TrainingConfig.from_estimator(gan)
    images = TrainingImages(X, spec, config.image_size, device)
    if labels is not None:
        labels = torch.as_tensor(labels, dtype=torch.int64)
    start = _get_start(gan, images.n_channels)
    checkpoint = _open_checkpoint(gan, config, images, labels, seed, start)
    saved = checkpoint.load() if checkpoint else None
    # A resumed training keeps its precision, also on another processor.
    precision = saved.precision if saved else resolve_precision(gan.precision, device)
    with limit_threads(), own_stream(device), use_repeatable_convolutions(device):
        training = GANTraining(config, images, seed, precision, start, labels)
        history = []
        if saved:
            _check_length(gan, len(saved.history))
            training.load_state_dict(saved.state)
            history = saved.history

        # Loop over epochs.
        try:
            with _open_bar(gan, n_epochs_done=len(history)) as bar:
                for epoch in range(len(history) + 1, gan.max_epochs + 1):
                    is_last = epoch == gan.max_epochs
                    start_time = time.perf_counter()
                    row: dict[str, float] = {"epoch": epoch}
                    row.update(training.run_epoch(gan.steps_per_epoch, _build_callback(bar, epoch)))
                    row["seconds"] = time.perf_counter() - start_time
                    check_convergence(row, training.G)
                    if monitor and (epoch % gan.monitor_every == 0 or is_last):
                        row.update(_measure_samples(training, monitor, spec, seed))
                    history.append(row)
                    if bar is not None:
                        bar.set_postfix_str(format_statistics(history, monitor))
                    if checkpoint:
                        state = SavedTraining(training.state_dict(), list(history), precision)
                        is_due = epoch % gan.checkpoint_every == 0 or is_last
                        checkpoint.keep(state, write=is_due)
        except KeyboardInterrupt:
            if checkpoint:
                checkpoint.write()
            raise
        networks = training.finish()

    # Store. Set together and last: a fit that failed leaves the last one as it was.
    gan.generator_, gan.discriminator_ = networks
    gan.spec_ = spec
    gan.precision_ = precision
    gan.monitor_ = monitor.context if monitor else None
    gan._history = history
    return gan


def _check_size(spec, image_size):
    _, height, width = spec.shape
    if max(height, width) > image_size:
        raise ValueError(
            f"X holds images of {height}x{width}, larger than image_size={image_size}. "
            "Pass a larger image_size (16, 32, 64, 128 or 256), or smaller images."
        )


def _check_betas(betas):
    is_pair = len(betas) == 2 and all(isinstance(beta, Real) for beta in betas)
    if not is_pair or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas must be two numbers in [0, 1), got {betas!r}.")


def _check_length(gan, n_epochs):
    if n_epochs > gan.max_epochs:
        raise ValueError(
            f"checkpoint={str(gan.checkpoint)!r} holds {n_epochs} epochs of training, more "
            f"than max_epochs={gan.max_epochs}. Pass a larger max_epochs (a larger "
            "fine_tune_epochs, after pooled pretraining) or another file."
        )


def _build_monitor(gan, X, seed):
    """Return what measures samples during training, or None."""
    if gan.monitor is None:
        return None
    # Imported here: most fits have no monitor and need no features.
    from skcxr.gan._monitor import SampleMonitor

    try:
        return SampleMonitor(gan.monitor, X, image_shape=gan.image_shape, seed=seed)
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"monitor={gan.monitor!r}: {error}") from error


def _measure_samples(training, monitor, spec, seed):
    """Return the monitor's figures of the current generator.

    The latent vectors are the same in each epoch. They have a generator of their own, so that
    monitoring does not change the training.
    """
    shape = (monitor.n_samples, training.config.latent_dim, 1, 1)
    z = np.random.RandomState(seed).uniform(-1, 1, shape)
    images = training.sample(torch.from_numpy(z).float())
    return monitor.measure(convert_to_rows(spec, images))


def convert_to_rows(spec, images):
    """Return a generator's square `images` in the caller's layout, dtype and range."""
    return spec.to_array(crop_from_square(images, *spec.shape[1:]))


def _get_start(gan, n_channels):
    """Return the weights of both networks that training starts from, or None to draw them.

    They are those of the last fit under `warm_start`, and else those in the file `weights`.
    """
    if not (gan.warm_start and hasattr(gan, "generator_")):
        return None if gan.weights is None else read_start(gan, n_channels)
    check_is_fitted(gan, "discriminator_", msg=NO_DISCRIMINATOR)
    fitted = gan.generator_.config
    wanted = {name: getattr(gan, name) for name in SHAPING_PARAMETERS}
    wanted["n_channels"] = n_channels
    differing = [name for name in wanted if fitted[name] != wanted[name]]
    if differing:
        had = ", ".join(f"{name}={fitted[name]}" for name in differing)
        has = ", ".join(f"{name}={wanted[name]}" for name in differing)
        raise ValueError(
            f"warm_start=True continues with networks of {had}, and now they would be of {has}. "
            "Pass the same, or warm_start=False."
        )
    return gan.generator_.state_dict(), gan.discriminator_.state_dict()


def _open_checkpoint(gan, config, images, labels, seed, start):
    """Return the file of this training, identified by all that decides its result, or None.

    The number of epochs is not part of it: a training may be continued.
    """
    if gan.checkpoint is None:
        return None
    params = dict(vars(config))
    params["steps_per_epoch"] = gan.steps_per_epoch
    params["device"] = images.device.type
    params["precision"] = gan.precision
    params["image_shape"] = images.spec.shape
    params["skcxr"] = __version__
    params["code of augmentation"] = hash_user_code(gan.augment, gan.diff_augment)
    # Without a seed of its own, a training takes that of the file.
    params["seed"] = None if gan.random_state is None else seed
    if start is not None:
        params["start"] = hash_states(start)
    if labels is not None:
        params["labels"] = hash_states([{"": labels}])
    return Checkpoint.open(gan.checkpoint, fingerprint_training(images.X, params))


def _open_bar(gan, n_epochs_done):
    """Return a progress bar over steps, or a context of None.

    A disabled bar would still take tqdm's lock, which forked processes share: a process that is
    killed while it holds the lock would stop all others forever.
    """
    if not gan.verbose:
        return nullcontext()
    n_steps = gan.max_epochs * gan.steps_per_epoch
    return tqdm(total=n_steps, initial=n_epochs_done * gan.steps_per_epoch, unit="step")


def _build_callback(bar, epoch):
    """Return a function that shows a finished step on the bar, if there is one."""

    def show_step(step, n_steps):
        if bar is not None:
            bar.set_description(f"Epoch {epoch} {step}/{n_steps}", refresh=False)
            bar.update()

    return show_step


def format_statistics(history, monitor):
    """Return the last epoch's statistics, as the paper prints them, and the last monitored ones."""
    text = (
        "Loss_D {loss_d:.3f} Loss_G {loss_g:.3f} D(x) {d_x:.3f} D(G(z)) {d_g_z1:.3f} / {d_g_z2:.3f}"
    ).format(**history[-1])
    monitored = [row for row in history if "kernel_distance" in row]
    if monitored:
        last = monitored[-1]
        text += " KD {kernel_distance:.3f} FD {frechet_distance:.2f}".format(**last)
        text += " ({extractor}, {n_fake} against {n_real})".format(**monitor.context)
        if "inception_score" in last:
            text += f" IS {last['inception_score']:.2f}"
    return text
