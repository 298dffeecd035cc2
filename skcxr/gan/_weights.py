"""A fitted DCGAN's networks in a file of weights."""

from sklearn.utils.validation import check_is_fitted

from skcxr.persistence._state import describe_network, rebuild_network
from skcxr.persistence._weights import (
    check_same,
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


def write_gan(gan, path, *, discriminator):
    """Write the generator of a fitted DCGAN, and its discriminator if wanted, to a file."""
    check_is_fitted(gan)
    networks = {"generator": describe_network(gan.generator_)}
    if discriminator:
        check_is_fitted(gan, "discriminator_", msg=NO_DISCRIMINATOR)
        networks["discriminator"] = describe_network(gan.discriminator_)
    configs = {name: network["config"] for name, network in networks.items()}
    tensors = {name: network["tensors"] for name, network in networks.items()}
    write_weights(path, gan, {"networks": configs}, tensors)


def read_gan(gan, path):
    """Make a DCGAN a fitted one with the networks of a file."""
    name = type(gan).__name__
    header, tensors = read_weights(path, name)
    with raising_broken_file(path):
        configs = header["networks"]
        spec = read_spec(header)
        saved = {param: configs["generator"][param] for param in SHAPING_PARAMETERS}
    own = {param: getattr(gan, param) for param in SHAPING_PARAMETERS}
    check_same(path, saved, own, name)
    with raising_broken_file(path):
        if configs["generator"]["n_channels"] != spec.shape[0]:
            raise ValueError(f"channels of {spec}")
        networks = {
            f"{role}_": rebuild_network(role.capitalize(), config, select_tensors(tensors, role))
            for role, config in configs.items()
        }
        return set_fitted_state(
            gan, header, **networks, spec_=spec, _history=[], monitor_=None, precision_=None
        )
