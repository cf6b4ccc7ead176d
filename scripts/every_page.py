"""Every page of the dashboard, over a log that has something to show on each: for pictures of them (screenshots.py),
and for the test of how accessible they are.

1. The URL map says which pages there are: each address for GET that is no data (`/api/...`, files, `/static/...`).
2. ARGUMENTS names what stands in the address of those that need an id; one that is new and not in it is a KeyError.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import every_page_data as data
from flask import Flask

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.config.inforce import in_force, rules_file
from switchman.addons.config.replaying import Backtests
from switchman.addons.config.settings import Settings
from switchman.addons.serving.dashboard import explainer, price_of, trier
from switchman.addons.store.access.sealing import MasterKey
from switchman.addons.store.access.vault import Vault
from switchman.addons.store.keeping.elsewhere import Elsewhere
from switchman.addons.store.opening import Store, open_store
from switchman.addons.store.reading.recordings import Recordings
from switchman.webui import WebConfig, create_app
from switchman.webui.admin.asking.describing import describing
from switchman.webui.server import DashboardServer

NO_PAGES = ("/api/", "/static/", "/assets/", "/metrics")
FILES = (".csv", ".json", ".jsonl", ".har")

# By endpoint: the arguments of the address, and what follows its `?`. More than one: as many views.
Arguments = tuple[tuple[dict[str, Any], str], ...]
ARGUMENTS: dict[str, Arguments] = {
    "detail.story": (
        ({"request_id": data.FAILED_OVER}, ""),
        ({"request_id": "failed"}, ""),
        ({"request_id": data.FAILED_OVER}, "view=request"),
    ),
    "session.index": (({"session": data.SESSION}, ""),),
    "conversation.page": (({"request_id": data.FAILED_OVER}, ""),),
    "changed.page": (({"request_id": data.FAILED_OVER}, ""),),
    "copies.page": (({"request_id": data.FAILED_OVER}, ""),),
    "again.form": (({"request_id": data.FAILED_OVER}, ""),),
    "again.page": (({"again_id": data.AGAIN}, ""),),
    "rules_visual.one": (({"at": 0}, ""), ({"at": 1}, ""), ({"at": 2}, "")),
    "rules_versions.one": (({"number": 1}, ""), ({"number": 2}, "")),
    "tokens.one": (({"which": "ci"}, ""),),
    "tokens.change_form": (({"which": "ci"}, ""),),
    "keys.one": (({"name": "openai"}, ""),),
    "describe.one": (({"asked_id": data.DESCRIBED}, ""),),
    "servers.one": (({"name": "fast-box"}, ""),),
    "servers_forms.edit": (({"name": "fast-box"}, ""),),
    "servers_forms.model_facts": (({"name": "openai"}, "model=gpt-4o-mini"),),
}
# Views of pages that need no id, before the plain one.
VIEWS = {"cache.index": "range=all"}
DOWNLOADS = ("conversation.message",)


class Sight(NamedTuple):
    """`name`: of the page and view, as a file may be called. `number`: of the view, from 1."""

    name: str
    address: str
    number: int = 1


def sights(app: Flask) -> list[Sight]:
    """Every page there is, in the order of their names. KeyError for one whose arguments nobody has named."""
    found = []
    with app.test_request_context():
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.endpoint):
            is_data = rule.rule.startswith(NO_PAGES) or rule.rule.endswith(FILES) or rule.endpoint in DOWNLOADS
            if is_data or "GET" not in (rule.methods or ()):
                continue
            plain: Arguments = (({}, VIEWS[rule.endpoint]), ({}, "")) if rule.endpoint in VIEWS else (({}, ""),)
            wanted = ARGUMENTS[rule.endpoint] if rule.arguments else plain
            for number, (arguments, query) in enumerate(wanted, 1):
                name = rule.endpoint.replace(".", "_") + (f"_{number}" if len(wanted) > 1 else "")
                address = app.url_for(rule.endpoint, **arguments) + (f"?{query}" if query else "")
                found.append(Sight(name, address, number))
    return found


@contextmanager
def filled_dashboard(folder: Path) -> Iterator[tuple[str, list[Sight]]]:
    """The dashboard over a log, a rules file and a vault in `folder`, on a free port of 127.0.0.1: its address, and
    its pages.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "routes.yaml").write_text(data.RULES)
    named = {"routes_config": str(folder / "routes.yaml"), "db_path": str(folder / "requests.db")}
    settings = Settings.model_validate(named)
    with open_store(db_path=folder / "requests.db", blob_path=folder / "blobs", max_age_days=None) as store:
        app = create_app(filled_config(settings, store))
        with app.app_context():
            describing().keep(data.described())
        server = DashboardServer(app, "127.0.0.1", 0)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.port}", sights(app)
        finally:
            server.stop()
            thread.join(30)


def filled_config(settings: Settings, store: Store) -> WebConfig:
    """As serving/dashboard.py has it, for whoever is on this machine: an admin."""
    now = time.time()
    rules = RulesFile(settings)
    desk = RulesDesk(settings, rules, store.access.rules)
    data.fill_log(store, now)
    data.fill_access(store, now)
    data.edit_rules(desk)

    @contextmanager
    def vault() -> Iterator[Vault]:
        yield Vault(store.engine, [MasterKey(b"m" * 32)])

    with vault() as opened:
        opened.set("openai", "sk-not-a-key-0123456789", now - 86_400)
        opened.set("anthropic", "sk-not-a-key-9876543210", now - 3_600)
    elsewhere = Elsewhere(settings.db_path)
    return WebConfig(
        queries=store.queries,
        access=store.access,
        vault=vault,
        rules=rules,
        desk=desk,
        explains=explainer(settings, store.access),
        backtests=Backtests(settings, lambda: rules.current, Recordings(store.engine, store.blobs)),
        limits=lambda: rules.current.limits,
        prices=lambda: rules.current.prices,
        servers=lambda: tuple(rules.current.servers),
        elsewhere=elsewhere,
        in_force=in_force(settings, {}),
        rules_file=settings.routes_config,
        rules_told=lambda: rules_file(settings),
        price_of=lambda server, model: price_of(rules.current, server, model),
        ruleset=lambda: rules.current,
        tries=trier(settings),
    )
