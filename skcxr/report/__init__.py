"""The results folder of an evaluation and its HTML page."""
