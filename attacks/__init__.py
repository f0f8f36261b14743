"""Hostile submissions and attacks on the protocol, and what they get: `make attack`."""
