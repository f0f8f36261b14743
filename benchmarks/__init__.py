"""Measurements of speed: ratios within one run, written into docs/ by `make bench`."""
