"""What options take, for those who check it and for a command line that has loaded little yet."""

__all__ = ["ALPHAS", "CHANNELS", "COMPRESSIONS", "DEPTHS", "FRAMES"]
__all__ += ["LEARNED_CHANNELS", "MAX_PIXELS", "RANGES"]

CHANNELS = ("each", "sum", "mean")
"""What becomes of colour channels."""

LEARNED_CHANNELS = ("each", "sum", "mix")
"""How colour channels go into a kernel that is learned."""

RANGES = ("auto", "clip", "absolute", "signed", "stretch", "raw")
"""How values become samples."""

ALPHAS = ("auto", "keep", "premultiply", "plain", "drop")
"""What becomes of transparency."""

DEPTHS = (8, 16, "float")
"""Bits of what is written."""

FRAMES = ("each", "first", "stack")
"""What becomes of several frames."""

COMPRESSIONS = ("fast", "small")
"""What an encoder is to save: time or space."""

MAX_PIXELS = 268_402_689
"""The largest picture that is read unless said otherwise: 16383 x 16383 pixels."""
