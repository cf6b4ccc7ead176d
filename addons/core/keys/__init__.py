"""The keys of the configuration, known by value: found in any text, whatever stands around them, and taken out.

In it: `collecting` (which values of the configuration are keys), `forms` (which of them can be looked for, and how they
    may be written), `known` (the search), `hiding` (the search in a body that arrives in pieces), `owntoken` (the
    tokens of our own dashboard in what a client sends), `ring` (several keys of one server: whose turn it is, and
    which rest), `rest_times` (for how long, as an answer says), `accounts` (what is kept by one account of a provider).
Door: `KnownKeys`, `Hiding`, `keys_of`, `without_tokens`, `KeyRing`.
May not import: decision, cache.
"""
