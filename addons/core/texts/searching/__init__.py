"""What a request is found by later: the words of its prompt and answer, and the kinds of content that it has.

In it: asked (the text and the kinds of a request), answered (the text of an answer's body), words (text to words, and
what somebody types to a query).
Door: `asked`, `answered`, `words_of`, `Query`, and the kinds.
May not import: all else of core but texts.
"""
