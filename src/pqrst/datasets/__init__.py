"""One file a database; its docstring is the data sheet.

Each provides `Params`, `TASK`, `CLASSES`, `fetch(base, dest, scratch, p)`, from the host or the mirror at `base`, which gives
the provenance, and `records(raw, p)`; `readings(raw, p)` where each can be read by itself; `LABEL_TASKS` where its labels make
several tasks. Files that begin with an underscore serve two or more of them.
"""
