"""The memorization audit: nearest neighbours in several spaces, and the verdict on them."""
