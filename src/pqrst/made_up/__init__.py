"""Made-up recordings, one file a database: files in its own format, so that a demo goes through the reader of the real ones.

Each provides `write(dest, n, rng, minutes)`. Files that begin with an underscore serve two or more of them.
"""
