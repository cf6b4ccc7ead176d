"""One request, as a story and as bytes: `/request/<id>`.

In it: `detail`, what was asked and answered, the ladder of layers, bodies as text with secrets masked (`masked`),
    templates.
Door: `detail.blueprint`.
May not import: the other families.
"""
