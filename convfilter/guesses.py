"""Terms from other programs and their equivalents here. Only messages use these tables.

Words are compared by `folded`; what looks like a known word is found by `errors.nearest`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def folded(word: str) -> str:
    """Return a word without case, blanks, hyphens and underscores."""
    return re.sub(r"[\s_-]", "", word.casefold())


# Kernels, their parameters and values of options, each with other words for it. A word may
# stand for several.
_SYNONYMS = {
    "edge": "nearest replicate clamp extend repeat duplicate copy pixel",
    "reflect": "mirror mirrored mirroring reflect101",
    "symmetric": "mirror mirrored mirroring",
    "wrap": "wraparound circular cyclic periodic tile tiled torus",
    "zero": "zeros none black 0 zeropad zeropadding",
    "constant=0.5": "constant fill gray grey",
    "same": "keep keepsize samesize",
    "valid": "none no off crop shrink",
    "clip": "clamp saturate cut",
    "absolute": "abs magnitude",
    "signed": "bipolar middle centered",
    "stretch": "normalize normalise scale minmax autolevel rescale autocontrast",
    "raw": "none float unscaled",
    "gray": "grey grayscale greyscale luminance monochrome y bw",
    "luma": "gray grey grayscale greyscale luminance lightness monochrome desaturate bw blackandwhite togray",
    "each": "rgb all color colour separate none",
    "mean": "average avg",
    "float": "32 32bit float32",
    "16": "16bit uint16 10 12 14",
    "8": "8bit uint8",
    "box": "mean average avg boxblur boxfilter meanfilter averaging uniform uniformfilter movingaverage ones",
    "gaussian": "gauss gaussianblur gaussianfilter gaussblur blur smooth smoothing soften softfocus",
    "disk": "disc circle pillbox bokeh lensblur defocus",
    "motion": "motionblur directional shake",
    "unsharp": "usm unsharpmask unsharpmasking smartsharpen sharpen clarity",
    "sharpen": "sharp sharpness sharpening sharper crisp",
    "sobel": "edge edges edgedetect edgedetection edgedetector findedges gradient contour contours sobelxy",
    "sobel-x": "gradientx gradx dx sobelv sobelhorizontal sobelvertical",
    "sobel-y": "gradienty grady dy sobelh sobelhorizontal sobelvertical",
    "laplacian": "laplace secondderivative",
    "log": "laplacianofgaussian gaussianlaplace marrhildreth mexicanhat ricker",
    "gaussian-gradient": "gradientmagnitude gaussiangradientmagnitude",
    "high-pass": "hipass details",
    "emboss": "relief bump bumpmap embossing",
    "deblur": "wiener deconvolve deconvolution unblur richardsonlucy",
    "sigma": "std stddev radius size width strength",
    "size": "ksize kernelsize width radius window n",
    "radius": "size sigma width diameter r",
    "amount": "strength weight percent gain factor",
    "length": "size distance radius",
    "angle": "theta direction orientation degrees rotation",
}


def synonyms(word: str, known: Iterable[str]) -> list[str]:
    """Return the known words that a word stands for; first one that differs in case or hyphens only."""
    names = list(known)
    word = folded(word)
    same = [name for name in names if folded(name) == word]
    meant = [name for name, words in _SYNONYMS.items() if word in words.split()]
    return [*same, *(name for name in meant if name.partition("=")[0] in names)]


# Filters that no kernel can be, with what they do.
_NOT_CONVOLUTIONS = {
    "it sorts the samples; 'gaussian' and 'box' reduce noise, too": (
        "median medianblur medianfilter despeckle rank percentile quantile mode majority"
    ),
    "its weights depend on the image; 'gaussian' reduces noise, too": (
        "bilateral bilateralfilter surfaceblur selectiveblur guided guidedfilter kuwahara anisotropic "
        "nlmeans nonlocalmeans denoise"
    ),
    "it thins and links edges; its linear part is '-k gaussian -k sobel'": "canny cannyedge cannyedges",
    "it picks the largest or smallest sample of a window": (
        "dilate dilation max maximum maxfilter maxpool erode erosion min minimum minfilter open opening "
        "close closing tophat blackhat skeleton thin"
    ),
    "it decides for each sample on its own": "threshold binarize binarise otsu posterize solarize",
    "it uses no neighbours; in a kernel file weights = [[-1]] and offset = 1 do it": "invert negate negative",
    "it maps each sample on its own; '--range stretch' uses the whole scale": (
        "brightness contrast gamma levels curves equalize equalise clahe histogram normalize normalise "
        "autocontrast saturation hue"
    ),
    "it moves samples; '--stride 2' keeps every second one": (
        "resize scale rotate crop flip mirror warp affine thumbnail"
    ),
}

# Commands that do not exist, with the right ones.
_COMMANDS = {
    "apply": "filter convolve correlate run process convert batch",
    "kernels": "list ls filters presets listkernels listfilters",
    "gallery": "sheet contactsheet montage compare demo",
    "shape": "info identify size sizes calc outputsize outputshape",
    "learn": "fit train estimate",
    "explain": "why trace inspect",
    "apply INPUT -k KERNEL --preview": "show view preview display",
    "--help": "help helpall usage man",
    "--version": "version about",
}

# Options that do not exist, with what to do. The first option named must be one of the command.
_OPTIONS = {
    "use --overwrite": "force f y yes replace clobber",
    "use --skip-existing": "resume continue",
    "use -o INPUT --overwrite": "inplace",
    "use --quality N": "jpegquality jpgquality webpquality",
    "use --alpha drop": "noalpha removealpha",
    "use --mix P, such as --mix 50%": "strength intensity opacity blend percent",
    "use -k unsharp:amount=N": "amount factor",
    "use --channels gray": "gray grey grayscale greyscale bw monochrome",
    "use --preview": "show view display open",
    "subfolders are always included": "recursive recurse r subfolders",
    "use -o with a file or a folder": (
        "out outdir outputdir outputfolder outputfile outfile dest destination target suffix prefix saveas "
        "save"
    ),
    "name inputs without an option": "input i inputfile infile file image images folder dir inputdir",
    "use -k NAME": "filter filters type method op operation effect algorithm name preset",
    "use -k gaussian:sigma=N": "sigma blurradius std",
    "use -k box:size=N or -k gaussian:sigma=N": "size ksize kernelsize radius window width",
    "use -k with a matrix, such as -k '0 -1 0; -1 5 -1; 0 -1 0'": "matrix weights coefficients custom",
    "use -k '0 -1 0; -1 5 -1; 0 -1 0' (add --flip for Convolve)": "morphology",
    "use -k with a matrix, ending in ' / sum'": "convolve",
    "end the matrix with '/ sum', or set 'divisor' in a kernel file": (
        "divisor normalize normalise normalized"
    ),
    "use --kernels FILE": "kernelfile kernelsfile config",
    "repeat -k": "repeat iterations times passes chain",
    "use --padding": "pad",
    "use --border": "boundary edgemode bordermode bordertype borderconstant virtualpixel",
    "use --border for the values of added samples, --padding for their number": "mode padmode",
    "use --border constant=V": "cval fill bordervalue bordercolor",
    "use --range absolute": "abs absolute",
    "use --range stretch": "autolevel stretch autocontrast rescale",
    "use --range": "clamp clip raw signed outputrange",
    "use --jobs": "threads workers processes cores parallel cpus nproc",
    "use --dry-run": "dry test simulate plan whatif",
    "use --quiet": "silent nolog",
    "use --verbose": "debug log info progress",
    "use --depth": "bits bitdepth dtype 16bit 8bit",
    "use --linear": "gamma linearlight linearrgb",
    "metadata is kept; --strip removes it": "exif keepexif keepmetadata metadata noexif nometadata stripexif",
    "use --frames": "frame page pages animation volume",
    "use --flip": "convolution rotate180 rotate",
    "use --preserve": "keepdates keepdate keeptimes preservetimes mtime timestamps dates",
    "use --channels": "channel colors colours rgb perchannel",
    "use --at ROW,COL": "pixel position pos xy coordinates point where",
    "use --region WxH+X+Y": "crop roi rect area",
}

# The answer to each word.
COMMANDS, NOT_CONVOLUTIONS, OPTIONS = (
    {word: answer for answer, words in table.items() for word in words.split()}
    for table in (_COMMANDS, _NOT_CONVOLUTIONS, _OPTIONS)
)
