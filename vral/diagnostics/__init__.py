"""Functions of (game, profile, draw) and of scores and samples that tell what is going on."""
