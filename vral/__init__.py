"""vral trains adversarial games and shows what happens inside them."""
