"""Installed packages that train a GAN, at their defaults. Each is optional."""

PEERS = {}
