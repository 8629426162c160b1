"""Drawings: explanations, kernels, contact sheets, previews in a terminal. Knows Pillow, to draw."""
