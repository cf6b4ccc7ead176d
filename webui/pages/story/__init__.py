"""One request, as a story and as bytes: `/request/<id>`.

In it: `detail`, what was asked and answered, the ladder of layers, what it cost, bodies as text with secrets masked
    (`masked`), which fields of a head go out once more (`fields`), templates; and a room for each further view: `said`,
    `changed`, `copies`, `again`.
Door: `detail.blueprint`.
May not import: the other families.
"""
