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


class GANWeights:
    """Mixin of DCGAN that writes and reads its networks."""

    def save_weights(self, path, *, discriminator=False):
        """Write the fitted generator to a safetensors file, which can hold no code.

        Parameters
        ----------
        path : str or path
            The file; one that is there is replaced, whole or not at all.
        discriminator : bool, default=False
            Whether the discriminator goes into it too. It tells training images from others: do
            not give it to those who may not know whose images you had.

        Raises
        ------
        OSError
            If the file can not be written.
        """
        check_is_fitted(self)
        states = {"generator": describe_network(self.generator_)}
        if discriminator:
            check_is_fitted(self, "discriminator_", msg=NO_DISCRIMINATOR)
            states["discriminator"] = describe_network(self.discriminator_)
        params = {name: state["params"] for name, state in states.items()}
        tensors = {name: state["tensors"] for name, state in states.items()}
        write_weights(path, self, {"networks": params}, tensors)

    def load_weights(self, path):
        """Become fitted with the weights that :meth:`save_weights` wrote.

        Parameters
        ----------
        path : str or path
            The file. `latent_dim`, `image_size` and `base_width` must be those it was saved with.

        Returns
        -------
        self : DCGAN
            With an empty `history_`, which is not in the file, and with a `discriminator_` if one
            is.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such file, or it is broken, of another format, or of other parameters:
            then it says what differs. The estimator is left as it was.

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
        header, tensors = read_weights(path, type(self).__name__)
        with raising_broken_file(path):
            params, spec = header["networks"], read_spec(header)
            shaping = {name: params["generator"][name] for name in SHAPING_PARAMETERS}
        own = {name: getattr(self, name) for name in SHAPING_PARAMETERS}
        check_same(path, shaping, own, type(self).__name__)
        with raising_broken_file(path):
            if params["generator"]["n_channels"] != spec.shape[0]:
                raise ValueError(f"channels of {spec}")
            fitted = {
                f"{name}_": rebuild_network(
                    name.capitalize(), params[name], select_tensors(tensors, name)
                )
                for name in params
            }
            return set_fitted_state(
                self, header, **fitted, spec_=spec, _history=[], monitor_=None, precision_=None
            )
