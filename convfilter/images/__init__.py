"""Pictures in and out of files, by Pillow; but for drawings, the only package that imports it.

`formats` knows the formats as plain facts and imports neither numpy nor Pillow; `reading` makes a
`Picture` of a file, `writing` a file of a `Picture`; `frames` and `animation` do so for files of several.
Messages name what is wrong and how to mend it,
but not the file: whoever knows its name puts it in front.
"""
