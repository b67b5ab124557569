"""The page of a run: what it says (pure), and its HTML.

`RunDocument` is all that a page is made of. `page` makes one file that opens without a network, and
`section` one part of it, so that a live page can replace a part by its id.
"""
