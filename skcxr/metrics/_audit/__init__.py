"""The memorization audit: do synthetic images copy the generator's training images?

- ``_run``: the audit from input to result
- ``_distances``: distances between images, in pixels and in features
- ``_equality``: images that are equal up to brightness and contrast
- ``_statistics``: statistics of these distances
- ``_power``: the share of near-copies that the audit would find
- ``_verdict``: levels of alarm, the verdict, its text and whether it counts as passed
- ``_result``: what the audit returns
"""
