"""Pages: one model of what is drawn, and renderers that put the same text at the same places.

`model` says what is on a page, in millimetres; `template` and `layout` make such pages from the
fields of a license; `ofd`, `pdf` and `png` render them, and `ofd_reader` reads an OFD back so that
a preview shows the document's own bytes. Nothing here knows a key or a database.
"""
