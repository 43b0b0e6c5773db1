"""One file a database; its docstring is the data sheet.

Each provides `Params`, `TASK`, `CLASSES`, `fetch(source, dest, scratch, p)`, `records(raw, p)`, `shape(p)` and
`synthesize(dest, n, rng, minutes)`. Files that begin with an underscore serve two or more of them.
"""
