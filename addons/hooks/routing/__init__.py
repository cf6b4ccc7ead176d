"""Where a request goes.

In it: Routing, the chain for `auto`, its layers, and what plug-in layers are written against (`layers`).
Door: the classes that `assembly.py` names; `layers` for plug-ins.
May not import: the other rooms of hooks.
"""
