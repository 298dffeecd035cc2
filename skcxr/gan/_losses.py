"""The losses of both networks, on the discriminator's logits."""

from torch.nn.functional import softplus


def discriminator_loss(real_logits, fake_logits):
    """Return the discriminator's loss: the binary cross-entropy of both batches.

    -log D(x) - log(1 - D(G(z))), the negative of equation 1 of Goodfellow et al., "Generative
    Adversarial Nets", NeurIPS 2014. With D = sigmoid(l), -log D is softplus(-l), and -log(1 - D) is
    softplus(l).

    Parameters
    ----------
    real_logits, fake_logits : tensor
        Logits of real and of synthetic images.
    """
    return softplus(-real_logits).mean() + softplus(fake_logits).mean()


def generator_loss(fake_logits):
    """Return the generator's non-saturating loss.

    -log D(G(z)) (Goodfellow et al., 2014, section 3), which is softplus(-l) on logits.

    Parameters
    ----------
    fake_logits : tensor
        Logits of synthetic images.
    """
    return softplus(-fake_logits).mean()


def mode_seeking_loss(images, z):
    """Return a loss that is small where different latent vectors lead to different images.

    1 / (d(G(z1), G(z2)) / d(z1, z2) + 1e-5), with the mean absolute difference d between each
    element of the batch and the next one: equation 2 of Mao et al., "Mode Seeking Generative
    Adversarial Networks for Diverse Image Synthesis", CVPR 2019, inverted as in the authors' code.

    Parameters
    ----------
    images : tensor of shape (n, c, h, w)
        Synthetic images in [-1, 1].
    z : tensor of shape (n, latent_dim, 1, 1)
        Latent vectors that they were made from.
    """
    image_distance = _distance_to_next(images)
    latent_distance = _distance_to_next(z)
    return 1 / ((image_distance / latent_distance).mean() + 1e-5)


def _distance_to_next(batch):
    return (batch - batch.roll(1, 0)).abs().mean(dim=(1, 2, 3))
