"""A trained run over HTTP: one path from bytes to an answer, limits enforced while bytes arrive, and a page to look at it."""
