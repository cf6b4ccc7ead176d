"""Facts about models: which think and how they are told to, which kind of request they are for.

In it: thinking by family, how replies open, kinds of models by name.
Door: `Thinking`, and the functions of each file.
May not import: streams, and all rooms above.
"""
