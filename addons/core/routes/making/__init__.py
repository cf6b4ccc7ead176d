"""A rules file from a few answers: what requests are for, which servers there are, what may be spent, what counts most.

In it: answers (what was answered, as a value), picking (which model is for what), drafting (the rules and why each is
    there), writing (them as YAML). The same answers make the same bytes.
Door: `Answers`, `draft`, `written`.
May not import: what routes may not.
"""
