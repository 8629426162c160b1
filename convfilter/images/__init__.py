"""Reading and writing of image files; the only package besides `drawing` that uses Pillow.

`formats` is the table of formats and imports neither numpy nor Pillow; `reading` makes a `Picture` of each
frame of a file, `writing` makes files. Messages say what is wrong and how to mend it, but not
of which file: the caller knows its name.
"""
