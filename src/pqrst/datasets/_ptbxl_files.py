"""Where PTB-XL lies: its own recordings are read out of it, and the patients of the Challenge's copy."""

HOST = "https://physionet.org/files/ptb-xl/1.0.3"
TABLE = "ptbxl_database.csv"
