"""A small evaluation, whose report several tests read."""

import pandas as pd
from imblearn.pipeline import Pipeline

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.datasets import make_chest_phantoms
from skcxr.evaluation import LearningCurve, check_data, duplicates_of, fit_folds, plan
from skcxr.over_sampling import grow
from skcxr.report._folder import Report, create_folder

SETTINGS = {
    "command": "evaluate",
    "data": "folder/of/images",
    "groups": None,
    "image_size": 16,
    "arms": {
        "classic": "Trains on real images only.",
        "duplicates": "Control: adds duplicates of real images.",
        "dcgan": "Adds synthetic images from one GAN per class.",
    },
    "cv": 2,
    "seed": 0,
    "plan": plan({"covid": 20, "normal": 20}, cv=2).to_dict(),
}


def build_curve():
    """Return the learning curve of the report, of two folds."""
    shares = pd.Index([0.25, 0.5, 0.75, 1.0], name="share")
    scores = pd.DataFrame([[0.4, 0.5], [0.5, 0.5], [0.5, 0.6], [0.55, 0.75]], shares)
    return LearningCurve(scores, pd.Series([5, 10, 15, 20], shares), 1.0, "accuracy")


def write_phantom_report(folder):
    """Return a Report with all its files: phantoms of two classes, in two folds."""
    data = make_chest_phantoms(40, classes=("covid", "normal"), image_size=16, random_state=0)
    gan = DCGAN(image_size=16, base_width=4, max_epochs=2, steps_per_epoch=2, batch_size=8)
    clf = CXRClassifier(max_epochs=2, random_state=0)
    sampler = DCGANOversampler(gan, sampling_strategy=grow(2), random_state=0)
    dcgan = Pipeline([("gan", sampler), ("clf", clf)])
    arms = {"classic": clf, "duplicates": duplicates_of(dcgan), "dcgan": dcgan}
    check = check_data(data.images, data.target_names[data.target], data.groups, random_state=0)
    report = Report(create_folder(folder), data, arms, SETTINGS, check=check)
    for result in fit_folds(arms, data.data, report.y, cv=2):
        report.add(result)
    report.learning_curve = build_curve()
    report.write_summary()
    return report
