"""One file a database; its docstring is the data sheet.

Each provides `Params`, `TASK`, `CLASSES`, `fetch(base, dest, scratch, p)` and `records(raw, p)`. Files that begin with an
underscore serve two or more of them.
"""
