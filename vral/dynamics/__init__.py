"""The local theory at work: linearised games, and experiments on the Dirac-GAN."""
