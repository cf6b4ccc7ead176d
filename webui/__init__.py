"""The dashboard: a Flask app over the store's queries.

config    WebConfig: all of the app's configuration
app       create_app(config): the blueprints, the headers every answer carries, the names templates may use
access    who may see and change what: Host and Origin checks, the token, roles
admin     what admins change, for pages and programs, and the admin API
assets    files that browsers keep
pages     a family of pages to a folder: requests, story, performance, access, signin
view      the address bar as a query
outcomes  how each outcome of a request looks (pure)
formats   numbers, durations and times as text (pure)
palette   one colour and shape per model (pure)
server    waitress, with a clean stop

In it: the frame, access and formats; the pages are in `pages`.
Door: `create_app`, `WebConfig`.
May not import: mitmproxy, hooks, proxy, state, flow.
"""

from switchman.webui.app import create_app
from switchman.webui.config import WebConfig

__all__ = ["WebConfig", "create_app"]
