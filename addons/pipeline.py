"""The file for `mitmdump -s` and `mitmweb -s`: nothing but the list."""

from switchman.addons.assembly import assemble

addons = assemble(guest=True)
