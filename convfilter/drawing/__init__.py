"""Drawings: kernels, contact sheets, previews in a terminal, and the elements of drawings."""
