"""The version. It imports nothing, so that every module may import it."""

__version__ = "0.1.0.dev0"
