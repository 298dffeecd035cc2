"""The memorization audit: do synthetic images copy the generator's training images?

- ``_run``: the audit from input to result
- ``_distances``: distances between images, in pixels and in features
- ``_statistics``: statistics of these distances
- ``_verdict``: levels of alarm, the verdict and its text
- ``_result``: what the audit returns
"""
