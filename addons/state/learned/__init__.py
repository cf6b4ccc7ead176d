"""What is learned of servers while the proxy runs: their models, dialects and habits.

In it: lists of models, the dialects that servers speak, how their replies begin, and the reader that asks them.
Door: the classes that `Runtime` makes.
May not import: proxy, hooks and what is above them.
"""
