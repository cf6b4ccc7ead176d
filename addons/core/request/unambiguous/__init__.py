"""What can be read in one way only: another parser must not find another model, or another conversation, in a request.

In it: the keys of a JSON body, the fields of forms and queries, the type of a body, the names of models.
Door: `Ambiguous`, and the functions of each file.
May not import: any other room of core but what lies in core/ itself.
"""
