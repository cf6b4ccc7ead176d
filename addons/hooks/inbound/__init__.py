"""Who asks, what is asked, and what the router answers itself.

In it: Connections, Gate, Names, Pages, Upgrades, Intake, Warming, Answers, Facade.
Door: the classes that `assembly.py` names.
May not import: the other rooms of hooks.
"""
