"""Experiments on the Dirac-GAN: portraits, basins, damping, limit cycles, lazy R1, errata."""
