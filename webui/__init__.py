"""The dashboard: a Flask app over the store's queries. What it may not import: mitmproxy, and nothing that does.

config    WebConfig: everything the app is told
app       create_app(config): the blueprints, the headers every answer carries, the names templates may use
access    who may see a page: Host and Origin checks, then the token
auth      the token itself (pure), and what counts as "proxied"
live, detail, performance, signin, assets    one blueprint per page family
view      the address bar as a query
outcomes  how each outcome of a request looks (pure)
story     what was asked and answered, read out of stored bodies (pure)
bodies    a body as text, or as a dump of what is none (pure)
ladder    how it was decided, layer by layer, with what a cache found
layers    which layer decided how many (pure)
masked    credentials in bodies, as the pages show them (pure)
formats   numbers, durations and times as text (pure)
palette   one colour and shape per model (pure)
server    waitress, with a clean stop
"""

from switchman.webui.app import create_app
from switchman.webui.config import WebConfig

__all__ = ["WebConfig", "create_app"]
