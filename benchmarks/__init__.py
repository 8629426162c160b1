"""Figures for the engine and the whole program, against others in the same run."""
