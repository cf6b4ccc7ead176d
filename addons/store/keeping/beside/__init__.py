"""What is kept beside the rows, in tables of their own, and goes with them.

In it: sessions (what their rows sum up to), words (by which prompts and answers are found), remarks (what people say of
a request, and had sent again), cacheverdicts (what they say of the semantic cache's answers); adding, for the writer;
sparing (what fails of these costs no row, and is noted) and mending (it is made good).
Door: the functions and classes of each file.
May not import: what the store may not.
"""
