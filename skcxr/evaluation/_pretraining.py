"""SyntheticPretrainingClassifier: synthetic images first, and real ones alone at the end."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, _fit_context, clone
from sklearn.ensemble import BaseEnsemble, HistGradientBoostingClassifier
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from skcxr._base.estimators import Documented
from skcxr._base.images import check_one_size
from skcxr._base.validation import validate_labelled
from skcxr.classifier._estimator import CXRClassifier
from skcxr.over_sampling._base import check_parameters
from skcxr.over_sampling._per_class import DCGANOversampler, grow
from skcxr.persistence._state import Persistent

# Their members that were fitted on synthetic images would stay as they are.
GROW_ONLY = (BaseEnsemble, HistGradientBoostingClassifier)


def default_sampler():
    """What `sampler=None` stands for."""
    return DCGANOversampler(sampling_strategy=grow(2))


def _predicts_probabilities(self):
    given = CXRClassifier if self.classifier is None else self.classifier
    return hasattr(getattr(self, "classifier_", given), "predict_proba")


class SyntheticPretrainingClassifier(
    Documented, MetaEstimatorMixin, ClassifierMixin, Persistent, BaseEstimator
):
    """Classifier that is trained on synthetic images, and then on the real ones alone.

    Beside real images, synthetic ones take part in a classifier's last steps, with whatever is
    wrong with them. Here they only give it a start.

    How it works:

    - The sampler makes synthetic images of the training images, inside `fit`: under
      cross-validation no validation image reaches a generative model.
    - A clone of the classifier is fitted on the synthetic images. Classes that gained none are
      represented by their real ones.
    - It goes on from there (``warm_start``) on the real images. Each of the two fits has the
      classifier's whole number of epochs.

    Parameters
    ----------
    sampler : object or None, default=None
        Over-sampler whose `fit_resample` returns the rows it was given first, as
        :class:`DCGANOversampler` and imbalanced-learn's over-samplers do. None is
        ``DCGANOversampler(sampling_strategy=grow(2))``.
    classifier : object or None, default=None
        Classifier that with ``warm_start=True`` goes on learning from where it is. None is
        ``CXRClassifier()``. Ensembles are refused: with ``warm_start`` they only add members.

    Attributes
    ----------
    sampler_ : object
        The fitted sampler.
    classifier_ : object
        The fitted classifier.
    classes_ : ndarray of shape (n_classes,)
        Sorted class labels.
    n_synthetic_ : int
        How many synthetic images it was pretrained on; with 0 it was fitted on real ones alone.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, when X had string column names.

    See Also
    --------
    imblearn.pipeline.Pipeline : Synthetic images beside the real ones.

    References
    ----------
    .. [1] Oquab et al., "Learning and Transferring Mid-Level Image Representations using
       Convolutional Neural Networks", CVPR 2014 (pretraining on one set, training on another).

    Examples
    --------
    >>> from skcxr import CXRClassifier, DCGAN, DCGANOversampler, SyntheticPretrainingClassifier
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.over_sampling import grow
    >>> phantoms = make_chest_phantoms(24, image_size=16, random_state=0)
    >>> gan = DCGAN(image_size=16, base_width=8, max_epochs=1)
    >>> sampler = DCGANOversampler(gan, sampling_strategy=grow(2), random_state=0)
    >>> clf = SyntheticPretrainingClassifier(sampler, CXRClassifier(max_epochs=2, random_state=0))
    >>> clf.fit(phantoms.data, phantoms.target).predict_proba(phantoms.data[:3]).shape
    (3, 4)
    >>> clf.n_synthetic_
    24
    """

    _parameter_constraints: dict = {
        "sampler": [HasMethods(["fit_resample"]), None],
        "classifier": [HasMethods(["fit", "predict"]), None],
    }

    def __init__(self, sampler=None, classifier=None):
        self.sampler = sampler
        self.classifier = classifier

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Resample, fit on the synthetic images, then on the real ones.

        Parameters
        ----------
        X : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
            Real images.
        y : array-like of shape (n,)
            Their classes, at least two.

        Returns
        -------
        self : SyntheticPretrainingClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If X, y or a parameter is out of its domain, before anything is trained; if the sampler
            does not return X first, after it was.
        """
        X, y, classes = validate_labelled(self, X, y)
        sampler = clone(default_sampler() if self.sampler is None else self.sampler)
        classifier = clone(CXRClassifier() if self.classifier is None else self.classifier)
        if "warm_start" not in classifier.get_params():
            raise ValueError(
                f"classifier={self.classifier!r} has no warm_start parameter, without which it can "
                "not go on from one fit to the next. Pass CXRClassifier() or another that has."
            )
        if isinstance(classifier, GROW_ONLY):
            raise ValueError(
                f"classifier={self.classifier!r} keeps what it learned from synthetic images, and "
                "with warm_start=True only adds members to it: the real ones would hardly count. "
                "Pass CXRClassifier() or another that goes on from its weights."
            )
        check_parameters(classifier)
        classifier.set_params(warm_start=True)
        X_new, y_new = sampler.fit_resample(X, y)
        if len(X_new) < len(X) or not np.array_equal(X_new[: len(X)], X):
            raise ValueError(
                f"sampler={self.sampler!r} does not return the rows of X first, so that synthetic "
                "ones can not be told from them. Pass a sampler that only adds rows."
            )
        synthetic = np.arange(len(X_new)) >= len(X)
        if synthetic.any():
            # Classes that gained none are represented by their real images: no class may lack.
            rows = synthetic | ~np.isin(y_new, np.unique(y_new[synthetic]))
            classifier.fit(X_new[rows], y_new[rows])
        self.classifier_ = classifier.fit(X, y)
        self.sampler_, self.classes_ = sampler, classes
        self.n_synthetic_ = int(synthetic.sum())
        return self

    def predict(self, X):
        """Class of each image.

        Parameters
        ----------
        X : array-like
            Images laid out as those of `fit`.

        Returns
        -------
        y : ndarray of shape (n,)
            Labels out of `classes_`.
        """
        X = self._validated(X)
        return self.classifier_.predict(X)

    @available_if(_predicts_probabilities)
    def predict_proba(self, X):
        """Probability of each class.

        Parameters
        ----------
        X : array-like
            Images laid out as those of `fit`.

        Returns
        -------
        proba : ndarray of shape (n, n_classes)
            Columns in the order of `classes_`.
        """
        X = self._validated(X)
        return self.classifier_.predict_proba(X)

    def _validated(self, X):
        """X as an array, once `fit` was called and if it has that X's layout."""
        check_is_fitted(self)
        check_one_size(X)
        return validate_data(self, X, allow_nd=True, reset=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        classifier = CXRClassifier() if self.classifier is None else self.classifier
        tags.input_tags.three_d_array = get_tags(classifier).input_tags.three_d_array
        return tags
