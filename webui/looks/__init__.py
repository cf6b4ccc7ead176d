"""How things look, on every page: numbers and times, outcomes, the colours of models, the navigation. Pure.

In it: formats, outcomes (a shape, a word and a tone), palette, navigation, masked (secrets in bodies), har,
filterwords (the values of filters), rulewords (hints and plain words of the rules' editors), otherwords (what the rooms
below say in English, found again to be translated).
Door: the functions of each file, for `app.py` and the pages.
May not import: Flask, and the rest of webui.
"""
