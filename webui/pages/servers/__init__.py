"""The servers: added, tested, changed, left out, with their models, keys, health and breakers: `/servers`.

In it: `servers`, the list and the page of each; `forms`, the form of one, of a model's facts and of a key, the review
and the save; `fields`, a form's fields as the file has them (pure).
Door: `servers.blueprint`, `forms.blueprint`.
May not import: the other families.
"""
