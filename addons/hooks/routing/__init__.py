"""Where a request goes.

In it: Routing, the chain for `auto`, its layers, what plug-in layers are written against (`layers`), and `explaining`,
    which says where a request would go.
Door: the classes that `assembly.py` names; `layers` for plug-ins; `explain` for the command and the dashboard.
May not import: the other rooms of hooks.
"""
