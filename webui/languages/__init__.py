"""The languages of the pages: which one a browser is answered in, and the catalogs of what is said in it.

In it: `choice.py` (the language of a request), `catalogs.py` (a catalog as Babel reads it, for Flask-Babel),
`messages.py` (what the pages say, read from their source), `rooms.py` (what the rooms below say, read from theirs),
`sentences.py` (such a sentence in the language of the page), `shown.py` (marked words and formats, for templates),
`said.py` (an error whose sentence programs get in English and pages translated), `switching.py` (a language chosen on a
page), and for each language but English its catalog,
`<language>/LC_MESSAGES/messages.po`, which `scripts/translations` keeps.
Door: `install` of `catalogs` and `blueprint` of `switching`, for `app.py`; pages say what they say by Flask-Babel's
    gettext.
May not import: the pages.
"""
