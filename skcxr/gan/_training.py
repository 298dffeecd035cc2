"""The adversarial training of DCGAN: one step, and what it changes."""

from functools import partial

import torch
from torch.nn.functional import softplus

from skcxr.augment import resolve_augment
from skcxr.gan._cuda_graph import GraphedStep
from skcxr.networks._conditional import ConditionalDiscriminator, ConditionalGenerator
from skcxr.networks._dcgan import Discriminator, Generator
from skcxr.networks._precision import autocast

# A mean loss beyond this is no game between two networks any more, and NaN comes next.
LARGEST_LOSS = 1e3
# What a step changes, beside the random numbers.
CHANGING = ("G", "D", "adam_g", "adam_d", "rows")
STATISTICS = ("loss_d", "loss_g", "d_x", "d_g_z1", "d_g_z2")


class GANTraining:
    """The two networks, their optimizers and the random numbers of one training.

    All that a step changes is in :meth:`state`: from it, a training goes on as if it had never
    stopped.

    Parameters
    ----------
    gan : DCGAN
        Its parameters are read.
    images : TrainingImages
        Real images, on the device to train on.
    seed : int
        Of weights, batches, latent vectors, dropout and augmentation.
    precision : {"float32", "bfloat16"}
        Of the networks' arithmetic. Weights, logits, losses and optimizers are float32.
    start : tuple of two state dicts or None, default=None
        Weights of G and D to begin with, in place of random ones.
    labels : tensor of shape (n,), int64, or None, default=None
        Class of each image, from 0: both networks are then conditional on it.
    """

    def __init__(self, gan, images, seed, precision, start=None, labels=None):
        self.images = images
        self.augment = resolve_augment(gan.augment)
        self.seen = resolve_augment(gan.diff_augment)
        self.mode_seeking = float(gan.mode_seeking)
        # True passes for 1 in scikit-learn's checks, but not with PyTorch.
        latent_dim, base_width = int(gan.latent_dim), int(gan.base_width)
        self.latent_shape = (gan.batch_size, latent_dim, 1, 1)
        device, n_channels = images.device, images.n_channels
        self.rng = torch.Generator().manual_seed(seed)
        of_g = (latent_dim, gan.image_size, base_width, n_channels, self.rng)
        of_d = (gan.image_size, base_width, n_channels, gan.dropout, self.rng)
        self.labels = None if labels is None else labels.to(device)
        if labels is None:
            G, D = Generator(*of_g), Discriminator(*of_d)
        else:
            n_classes = int(labels.max()) + 1
            G, D = (
                ConditionalGenerator(n_classes, *of_g),
                ConditionalDiscriminator(n_classes, *of_d),
            )
        if start is not None:
            for net, state in zip((G, D), start, strict=True):
                net.load_state_dict(state)
        self.G, self.D = (net.to(device, memory_format=torch.channels_last) for net in (G, D))
        if device.type != "cpu":
            self.rng = torch.Generator(device).manual_seed(seed)
        self.rows = ShuffledRows(len(images), gan.batch_size, self.rng)
        betas, on_cuda = tuple(float(beta) for beta in gan.betas), device.type == "cuda"
        options = {"fused": True, "capturable": on_cuda}
        self.adam_g, self.adam_d = (
            torch.optim.Adam(net.parameters(), lr=float(gan.lr), betas=betas, **options)
            for net in (self.G, self.D)
        )
        self.precision, self.autocast = precision, partial(autocast, device, precision)
        self.run_step = GraphedStep(self.step, self.rng) if on_cuda else self.step

    def step(self, rows):
        """Update D, then G, with the real images `rows`.

        Returns the step's STATISTICS as a tensor on the device. Nothing in it waits for the device,
        so that all of it can be one CUDA graph.
        """
        G, D, rng, device = self.G, self.D, self.rng, self.images.device
        real = self.augment(self.images.batch(rows), rng)
        z = torch.rand(self.latent_shape, generator=rng, device=device) * 2 - 1
        # Synthetic images are to be of the real ones' classes.
        classes = () if self.labels is None else (self.labels[rows],)
        with self.autocast():
            # bfloat16 would be too coarse for the coordinates of an augmentation.
            fake = G(z, *classes).float()
            real_seen, fake_seen = self.seen(real, rng), self.seen(fake.detach(), rng)
            real_logits = D.logits(real_seen, rng, *classes)
            fake_logits = D.logits(fake_seen, rng, *classes)

        # D's step. On logits l, binary cross-entropy is softplus(-l) for real images and
        # softplus(l) for synthetic ones.
        loss_d = softplus(-real_logits).mean() + softplus(fake_logits).mean()
        self.adam_d.zero_grad()
        loss_d.backward()
        self.adam_d.step()

        # G's step, against the updated D, whose own gradients are not needed.
        D.requires_grad_(False)
        with self.autocast():
            updated_logits = D.logits(self.seen(fake, rng), rng, *classes)
        loss_g = softplus(-updated_logits).mean()
        if self.mode_seeking:
            loss_g = loss_g + self.mode_seeking * mode_seeking_loss(fake, z)
        self.adam_g.zero_grad()
        loss_g.backward()
        self.adam_g.step()
        D.requires_grad_(True)

        with torch.no_grad():
            outputs = torch.stack([real_logits, fake_logits, updated_logits])
            means = outputs.sigmoid().flatten(1).mean(1)
            return torch.cat([torch.stack([loss_d, loss_g]), means])

    def epoch(self, n_steps, after_step):
        """`n_steps` steps; returns the statistics' means by name.

        ``after_step(step, n_steps)`` is called after each, counted from 1.
        """
        # Summed on the device: reading a loss in each step would wait for it.
        sums = torch.zeros(len(STATISTICS), device=self.images.device)
        for step in range(1, n_steps + 1):
            sums += self.run_step(self.rows.draw())
            after_step(step, n_steps)
        return dict(zip(STATISTICS, (sums / n_steps).tolist(), strict=True))

    def state(self):
        """A copy of all that training changes, on the CPU."""
        parts = {name: getattr(self, name).state_dict() for name in CHANGING}
        return _copied(parts | {"rng": self.rng.get_state()})

    def restore(self, state):
        """Go back to what :meth:`state` returned."""
        for name in CHANGING:
            getattr(self, name).load_state_dict(state[name])
        self.rng.set_state(state["rng"])

    def networks(self):
        """G and D on the CPU, in evaluation mode, without what only training needs: its end."""
        # This holds its object, and that the images, until the garbage collector comes.
        del self.run_step
        for net in (self.G, self.D):
            net.cpu().eval().requires_grad_(False).zero_grad()
        return self.G, self.D


def mode_seeking_loss(images, z):
    """How alike images of different latent vectors are: what mode seeking adds to G's loss.

    The mean distance of latent vectors over that of their images, of each with the next in the
    batch (Mao et al., "Mode Seeking Generative Adversarial Networks for Diverse Image Synthesis",
    CVPR 2019, equation 2, with the ratio turned over as in the authors' code).

    Parameters
    ----------
    images : tensor of shape (n, c, h, w)
        In [-1, 1].
    z : tensor of shape (n, latent_dim, 1, 1)
        That they were made of.
    """
    apart, of_z = ((values - values.roll(1, 0)).abs().mean(dim=(1, 2, 3)) for values in (images, z))
    return 1 / ((apart / of_z).mean() + 1e-5)


class ShuffledRows:
    """Rows of batches, without replacement where there are enough, in time independent of `n`.

    Batches are cut from a shuffled order, and it is drawn anew once less than a batch is left.

    Parameters
    ----------
    n : int
        Rows to draw from.
    size : int
        Rows of a batch.
    rng : torch.Generator
        On the device that rows are wanted on.
    """

    def __init__(self, n, size, rng):
        self.n, self.size, self.rng = n, size, rng
        self.order = torch.empty(0, dtype=torch.int64, device=rng.device)
        self.position = 0

    def draw(self):
        """The next batch's rows, a tensor of shape (size,)."""
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


def _copied(value):
    """`value` with its tensors cloned to the CPU: the next step changes them in place."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value


def check_converging(row, generator):
    """Stop after an epoch whose losses, or the generator's weights, are not of this world."""
    for name in ("loss_d", "loss_g"):
        if not row[name] <= LARGEST_LOSS:
            _diverged(row["epoch"], f"{name}={row[name]:.3g}")
    finite = [weight.isfinite().all() for weight in generator.state_dict().values()]
    if not torch.stack(finite).all():
        _diverged(row["epoch"], "the generator's weights are not finite")


def _diverged(epoch, what):
    raise FloatingPointError(
        f"DCGAN training diverged in epoch {epoch}: {what}. Try a smaller lr (the paper's is "
        "2e-4) or mode_seeking, betas=(0.5, 0.999), or a larger batch_size; no generator was kept."
    )


def format_statistics(history, monitor):
    """The last epoch's statistics, as the paper prints them, and what was last monitored."""
    words = (
        "Loss_D {loss_d:.3f} Loss_G {loss_g:.3f} D(x) {d_x:.3f} D(G(z)) {d_g_z1:.3f} / {d_g_z2:.3f}"
    ).format(**history[-1])
    monitored = [row for row in history if "kernel_distance" in row]
    if monitored:
        words += " KD {kernel_distance:.3f} FD {frechet_distance:.2f}".format(**monitored[-1])
        words += " ({extractor}, {n_fake} against {n_real})".format(**monitor)
        if "inception_score" in monitored[-1]:
            words += f" IS {monitored[-1]['inception_score']:.2f}"
    return words
