"""The words that options take, for those who check them and for a command line that has loaded little yet."""

__all__ = ["ALPHAS", "CHANNELS", "COMPRESSIONS", "FRAMES", "LEARNED_CHANNELS", "RANGES"]

CHANNELS = ("each", "sum", "mean")
"""What becomes of colour channels."""

LEARNED_CHANNELS = ("each", "sum", "mix")
"""How colour channels go into a kernel that is learned."""

RANGES = ("auto", "clip", "absolute", "signed", "stretch", "raw")
"""How values become samples."""

ALPHAS = ("auto", "keep", "premultiply", "plain", "drop")
"""What becomes of transparency."""

FRAMES = ("each", "first", "stack")
"""What becomes of several frames."""

COMPRESSIONS = ("fast", "small")
"""What an encoder is to save: time or space."""
