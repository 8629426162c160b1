"""Drawings: values worked out, kernels looked at, filters side by side, previews in a terminal."""
