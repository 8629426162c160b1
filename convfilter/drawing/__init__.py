"""Drawings: kernels, contact sheets, previews in a terminal, and what drawings consist of."""
