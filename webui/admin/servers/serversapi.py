"""The operations of /api/admin/servers. A key is set by /api/admin/keys, and named by the server as vault:NAME."""

from __future__ import annotations

from switchman.addons.config.configuration import well_known
from switchman.webui.admin.models import NoBody, Out
from switchman.webui.admin.rules import glance, reading
from switchman.webui.admin.rulesapi import edit_rules
from switchman.webui.admin.rulesmodels import EditIn, SavedOut
from switchman.webui.admin.servers import servers as admin
from switchman.webui.admin.servers.serversmodels import (
    AskIn,
    FactsIn,
    PresetOut,
    PresetsOut,
    RemoveServerIn,
    ServerIn,
    ServerOut,
    ServersOut,
    SwitchIn,
    SwitchOut,
    TestIn,
    TriedOut,
    WordOut,
)
from switchman.webui.admin.servers.servertests import ask_word, test


def list_servers() -> ServersOut:
    now = glance()
    return ServersOut(servers=[ServerOut.of(one) for one in admin.seen_all(now)], digest=now.digest)


def list_presets() -> PresetsOut:
    return PresetsOut(presets=[PresetOut.of(name, one) for name, one in well_known().items()])


def get_server(name: str) -> ServerOut:
    return ServerOut.of(admin.seen(name, glance()))


def put_server(body: ServerIn, name: str) -> SavedOut:
    edit = admin.server_edit(name, body.server)
    return edit_rules(EditIn(edit=edit, digest=body.digest, why=body.why, dry_run=body.dry_run))


def remove_server(body: RemoveServerIn, name: str) -> SavedOut:
    now = reading()
    admin.without(name, now)  # refuses while something leads there
    return edit_rules(EditIn(edit=admin.server_edit(name, None), digest=body.digest, why=body.why, dry_run=False))


def switch_server(body: SwitchIn, name: str) -> SwitchOut:
    return SwitchOut(enabled=body.enabled, digest=admin.switch(name, body.enabled, body.digest or "", "api"))


def set_facts(body: FactsIn, name: str) -> SavedOut:
    admin.find(name)
    edit = {"do": "facts", "name": f"{name}/{body.model}", "facts": body.facts}
    return edit_rules(EditIn(edit=edit, digest=body.digest, why=body.why, dry_run=body.dry_run))


def test_server(body: TestIn, name: str) -> TriedOut:
    return TriedOut.of(test(admin.find(name) if body.server is None else admin.drafted(name, body.server)))


def ask_server(body: AskIn, name: str) -> WordOut:
    return WordOut.of(ask_word(admin.find(name), body.model, "api"))


def reset_server(body: NoBody, name: str) -> Out:
    admin.reset(name, "api")
    return Out()
