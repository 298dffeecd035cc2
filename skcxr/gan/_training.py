"""The adversarial training of two networks: what one step does, and what it changes."""

from dataclasses import dataclass

import torch

from skcxr.augment import resolve_augment
from skcxr.gan._cuda_graph import GraphedStep
from skcxr.gan._losses import discriminator_loss, generator_loss, mode_seeking_loss
from skcxr.networks import Discriminator, Generator
from skcxr.networks._conditional import ConditionalDiscriminator, ConditionalGenerator
from skcxr.networks._inference import BATCH_SIZE
from skcxr.networks._precision import autocast

STATISTICS = ("loss_d", "loss_g", "d_x", "d_g_z1", "d_g_z2")
# A mean loss beyond this means that training has diverged; NaN follows soon.
LARGEST_LOSS = 1e3


@dataclass(frozen=True)
class TrainingConfig:
    """Parameters of DCGAN that decide the result of a step.

    Parameters
    ----------
    latent_dim, image_size, base_width, batch_size, lr, betas, dropout, augment, diff_augment, \
mode_seeking : object
        Parameters of :class:`skcxr.DCGAN`.
    """

    latent_dim: int
    image_size: int
    base_width: int
    batch_size: int
    lr: float
    betas: tuple
    dropout: float
    augment: object
    diff_augment: object
    mode_seeking: float

    @classmethod
    def from_estimator(cls, gan):
        """Return the configuration of a DCGAN, in plain types.

        True passes for 1 in scikit-learn's checks, but not in PyTorch.
        """
        return cls(
            latent_dim=int(gan.latent_dim),
            image_size=int(gan.image_size),
            base_width=int(gan.base_width),
            batch_size=int(gan.batch_size),
            lr=float(gan.lr),
            betas=tuple(float(beta) for beta in gan.betas),
            dropout=float(gan.dropout),
            augment=gan.augment,
            diff_augment=gan.diff_augment,
            mode_seeking=float(gan.mode_seeking),
        )


class GANTraining:
    """Two networks, their optimizers and the random numbers of one training.

    Everything that a step changes is in :meth:`state_dict`. From it, a training continues as if it
    had never stopped.

    Parameters
    ----------
    config : TrainingConfig
        Networks, batches and losses.
    images : TrainingImages
        Real images, on the device to train on.
    seed : int
        Seed of weights, batches, latent vectors, dropout and augmentation.
    precision : {"float32", "bfloat16"}
        Arithmetic of the networks. Weights, logits, losses and optimizers are float32.
    start : tuple of two state dicts or None, default=None
        Weights of G and D to start from. None draws them.
    labels : tensor of shape (n,), int64, or None, default=None
        Class of each image, from 0, for networks that are conditional on it. None trains plain
        networks.
    """

    # What a step changes, except the random numbers.
    STATEFUL = ("G", "D", "adam_g", "adam_d", "rows")

    def __init__(self, config, images, seed, precision, start=None, labels=None):
        device = images.device
        self.config = config
        self.images = images
        self.precision = precision
        self.augment = resolve_augment(config.augment)
        self.diff_augment = resolve_augment(config.diff_augment)
        self.labels = None if labels is None else labels.to(device)

        # Weights come from a generator on the CPU, so that every device starts from the same ones.
        rng = torch.Generator().manual_seed(seed)
        G, D = _build_networks(config, images.n_channels, labels, rng)
        if start is not None:
            G.load_state_dict(start[0])
            D.load_state_dict(start[1])
        self.G = G.to(device, memory_format=torch.channels_last)
        self.D = D.to(device, memory_format=torch.channels_last)

        on_cuda = device.type == "cuda"
        adam = {"lr": config.lr, "betas": config.betas, "fused": True, "capturable": on_cuda}
        self.adam_g = torch.optim.Adam(self.G.parameters(), **adam)
        self.adam_d = torch.optim.Adam(self.D.parameters(), **adam)

        self.rng = rng if device.type == "cpu" else torch.Generator(device).manual_seed(seed)
        self.rows = ShuffledRows(len(images), config.batch_size, self.rng)
        self.run_step = GraphedStep(self.step, self.rng) if on_cuda else self.step

    def step(self, rows):
        """Update D, then G, with the real images in `rows`.

        Returns the step's STATISTICS as a tensor on the device. Nothing in a step waits for the
        device, so that all of it can be one CUDA graph.
        """
        G = self.G
        D = self.D
        rng = self.rng
        device = self.images.device

        real = self.augment(self.images.batch(rows), rng)
        z_shape = (self.config.batch_size, self.config.latent_dim, 1, 1)
        z = torch.rand(z_shape, generator=rng, device=device) * 2 - 1
        # Synthetic images are of the real images' classes.
        classes = () if self.labels is None else (self.labels[rows],)

        # Update the discriminator. Coordinates of an augmentation need more than bfloat16.
        with autocast(device, self.precision):
            fake = G(z, *classes).float()
            augmented_real = self.diff_augment(real, rng)
            augmented_fake = self.diff_augment(fake.detach(), rng)
            real_logits = D.logits(augmented_real, rng, *classes)
            fake_logits = D.logits(augmented_fake, rng, *classes)
        loss_d = discriminator_loss(real_logits, fake_logits)
        self.adam_d.zero_grad()
        loss_d.backward()
        self.adam_d.step()

        # Update the generator, against the updated discriminator, whose gradients are not needed.
        D.requires_grad_(False)
        with autocast(device, self.precision):
            updated_logits = D.logits(self.diff_augment(fake, rng), rng, *classes)
        loss_g = generator_loss(updated_logits)
        if self.config.mode_seeking:
            loss_g = loss_g + self.config.mode_seeking * mode_seeking_loss(fake, z)
        self.adam_g.zero_grad()
        loss_g.backward()
        self.adam_g.step()
        D.requires_grad_(True)

        with torch.no_grad():
            outputs = torch.stack([real_logits, fake_logits, updated_logits])
            mean_probabilities = outputs.sigmoid().flatten(1).mean(1)
            return torch.cat([torch.stack([loss_d, loss_g]), mean_probabilities])

    def run_epoch(self, n_steps, after_step):
        """Run `n_steps` steps and return the statistics' means by name.

        ``after_step(step, n_steps)`` is called after each step, counted from 1.
        """
        # Summed on the device: reading a loss in each step would wait for it.
        sums = torch.zeros(len(STATISTICS), device=self.images.device)
        for step in range(1, n_steps + 1):
            sums += self.run_step(self.rows.draw())
            after_step(step, n_steps)
        return dict(zip(STATISTICS, (sums / n_steps).tolist(), strict=True))

    @torch.no_grad()
    def sample(self, z):
        """Return the generator's current images of the latent vectors `z`, on the CPU."""
        self.G.eval()
        batches = [self.G(part.to(self.images.device)).cpu() for part in z.split(BATCH_SIZE)]
        self.G.train()
        return torch.cat(batches)

    def state_dict(self):
        """Return a copy, on the CPU, of everything that training changes."""
        state = {name: getattr(self, name).state_dict() for name in self.STATEFUL}
        state["rng"] = self.rng.get_state()
        return _copy_to_cpu(state)

    def load_state_dict(self, state):
        """Restore what :meth:`state_dict` returned."""
        for name in self.STATEFUL:
            getattr(self, name).load_state_dict(state[name])
        self.rng.set_state(state["rng"])

    def finish(self):
        """Return G and D on the CPU, in evaluation mode, without what only training needs."""
        # It holds this object, and with it the images, until the garbage collector runs.
        del self.run_step
        for network in (self.G, self.D):
            network.cpu().eval().requires_grad_(False).zero_grad()
        return self.G, self.D


def _build_networks(config, n_channels, labels, rng):
    """Return G and D with weights drawn from `rng`, conditional on `labels` if there are any."""
    of_g = (config.latent_dim, config.image_size, config.base_width, n_channels, rng)
    of_d = (config.image_size, config.base_width, n_channels, config.dropout, rng)
    if labels is None:
        return Generator(*of_g), Discriminator(*of_d)
    n_classes = int(labels.max()) + 1
    return ConditionalGenerator(n_classes, *of_g), ConditionalDiscriminator(n_classes, *of_d)


class ShuffledRows:
    """Rows of batches, without replacement where there are enough, in time independent of `n`.

    Batches are cut from a shuffled order. A new order is drawn once less than a batch is left.

    Parameters
    ----------
    n : int
        Number of rows to draw from.
    size : int
        Number of rows per batch.
    rng : torch.Generator
        Generator on the device that rows are needed on.
    """

    def __init__(self, n, size, rng):
        self.n = n
        self.size = size
        self.rng = rng
        self.order = torch.empty(0, dtype=torch.int64, device=rng.device)
        self.position = 0

    def draw(self):
        """Return the next batch's rows, a tensor of shape (size,)."""
        if self.position + self.size > len(self.order):
            options = {"generator": self.rng, "device": self.rng.device}
            if self.n < self.size:
                self.order = torch.randint(self.n, (self.size,), **options)
            else:
                self.order = torch.randperm(self.n, **options)
            self.position = 0
        rows = self.order[self.position : self.position + self.size]
        self.position += self.size
        return rows

    def state_dict(self):
        return {"order": self.order, "position": self.position}

    def load_state_dict(self, state):
        self.order = state["order"].to(self.rng.device)
        self.position = state["position"]


def _copy_to_cpu(value):
    """Return `value` with its tensors cloned: the next step changes them in place."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copy_to_cpu(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy_to_cpu(item) for item in value]
    return value


def check_convergence(row, generator):
    """Raise FloatingPointError if an epoch's losses or the generator's weights have diverged."""
    for name in ("loss_d", "loss_g"):
        if not row[name] <= LARGEST_LOSS:
            _raise_diverged(row["epoch"], f"{name}={row[name]:.3g}")
    is_finite = [weight.isfinite().all() for weight in generator.state_dict().values()]
    if not torch.stack(is_finite).all():
        _raise_diverged(row["epoch"], "the generator's weights are not finite")


def _raise_diverged(epoch, reason):
    raise FloatingPointError(
        f"DCGAN training diverged in epoch {epoch}: {reason}. Try a smaller lr (the paper's is "
        "2e-4) or mode_seeking, betas=(0.5, 0.999), or a larger batch_size. No generator was kept."
    )
