"""Before anything is trained: which runs a table takes, as commands that stand alone, and what they will cost."""
