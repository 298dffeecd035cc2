"""A fitted DCGAN's networks in a file of weights."""

from sklearn.utils.validation import check_is_fitted

from skcxr.persistence._state import describe_network, rebuild_network
from skcxr.persistence._weights import (
    check_same,
    describe_training_images,
    locate_weights,
    naming_weights,
    raising_broken_file,
    read_spec,
    read_weights,
    select_tensors,
    set_fitted_state,
    write_weights,
)

SHAPING_PARAMETERS = ("latent_dim", "image_size", "base_width")
NO_DISCRIMINATOR = (
    "This %(name)s has no discriminator: the file that load_weights read holds none. Write one "
    "with save_weights(path, discriminator=True)."
)


def write_gan(gan, path, *, discriminator, training_images):
    """Write the generator of a fitted DCGAN to a file, and its discriminator if wanted.

    The file also gets the fingerprints of `training_images`, unless they are None.
    """
    check_is_fitted(gan)
    networks = {"generator": describe_network(gan.generator_)}
    if discriminator:
        check_is_fitted(gan, "discriminator_", msg=NO_DISCRIMINATOR)
        networks["discriminator"] = describe_network(gan.discriminator_)
    configs = {name: network["config"] for name, network in networks.items()}
    tensors = {name: network["tensors"] for name, network in networks.items()}
    tensors.update(describe_training_images(gan, training_images))
    write_weights(path, gan, {"networks": configs}, tensors)


def read_gan(gan, path):
    """Make a DCGAN a fitted one with the networks of a file."""
    header, networks = _read_networks(gan, path)
    with raising_broken_file(path):
        spec = read_spec(header)
        if networks["generator"].config["n_channels"] != spec.shape[0]:
            raise ValueError(f"channels of {spec}")
        fitted = {f"{role}_": network for role, network in networks.items()}
        return set_fitted_state(
            gan, header, **fitted, spec_=spec, _history=[], monitor_=None, precision_=None
        )


def read_start(gan, n_channels):
    """Return the states of both networks in the file ``gan.weights``, to start training from.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds no discriminator, or networks of other parameters or channels.
    """
    path = locate_weights(gan.weights, "gan")
    with naming_weights(gan.weights, path):
        _, networks = _read_networks(gan, path)
    if "discriminator" not in networks:
        raise ValueError(
            f"weights={str(path)!r} holds no discriminator, and training needs one. Write the file "
            "with save_weights(path, discriminator=True)."
        )
    saved = networks["generator"].config["n_channels"]
    if saved != n_channels:
        raise ValueError(
            f"weights={str(gan.weights)!r} was trained on images of {saved} channels, and X has "
            f"{n_channels}. Convert X, or pass weights of such images."
        )
    return networks["generator"].state_dict(), networks["discriminator"].state_dict()


def _read_networks(gan, path):
    """Return the header of a file of weights, and its networks by role."""
    name = type(gan).__name__
    header, tensors = read_weights(path, name)
    with raising_broken_file(path):
        configs = header["networks"]
        saved = {param: configs["generator"][param] for param in SHAPING_PARAMETERS}
    own = {param: getattr(gan, param) for param in SHAPING_PARAMETERS}
    check_same(path, saved, own, name)
    with raising_broken_file(path):
        networks = {
            role: rebuild_network(role.capitalize(), config, select_tensors(tensors, role))
            for role, config in configs.items()
        }
    return header, networks
