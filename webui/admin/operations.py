"""The endpoints of /api/admin, one to an operation: what goes in, what comes out, who may, and what is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Literal

from switchman.addons.core.access.roles import Role
from switchman.addons.store.keeping.forgetting import Forgotten, count
from switchman.addons.store.keeping.logsize import log_bytes
from switchman.webui.access.people import person, web_config
from switchman.webui.access.sizes import USUAL
from switchman.webui.admin import rulesapi
from switchman.webui.admin.asking import describeapi
from switchman.webui.admin.changes import Changes, Refused, access, find_token, key_entries
from switchman.webui.admin.models import (
    ChangeOut,
    ChangesOut,
    DeleteKeyIn,
    ForgetIn,
    ForgottenOut,
    In,
    KeyIn,
    KeyOut,
    Keys,
    Me,
    NoBody,
    Out,
    PageIn,
    RotateIn,
    Status,
    TokenChange,
    TokenIn,
    TokenMade,
    TokenOut,
    Tokens,
)
from switchman.webui.admin.rulesmodels import (
    CheckIn,
    CheckOut,
    EditIn,
    ExportOut,
    ImportIn,
    RestoreIn,
    RulesIn,
    RulesOut,
    SavedOut,
    VersionOut,
    VersionsOut,
)
from switchman.webui.admin.servers import serversapi
from switchman.webui.admin.servers.serversmodels import (
    AskIn,
    FactsIn,
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
from switchman.webui.admin.spending import alerts_now, usage_of
from switchman.webui.admin.usage import AlertOut, AlertsOut, UsageOut
from switchman.webui.admin.wizard import WizardIn, WizardOut, wizard

OPERATOR = Role.OPERATOR
RULES_BYTES = 1024 * 1024  # of a text of rules, as JSON

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Operation:
    """`path` has its variables in braces, as OpenAPI has them. `run` gets the body, or the page, and the variables."""

    method: Method
    path: str
    name: str
    summary: str
    run: Callable[..., Out]
    answer: type[Out]
    body: type[In] | None = None
    paged: bool = False
    status: int = 200
    role: Role = Role.ADMIN
    most_bytes: int = USUAL


def list_tokens(page: PageIn) -> Tokens:
    now, found, start = time.time(), access().tokens.list(), page.before or 0
    shown = found[start : start + page.limit]
    more = start + page.limit < len(found)
    return Tokens(tokens=[TokenOut.of(token, now) for token in shown], next=start + page.limit if more else None)


def create_token(body: TokenIn) -> TokenMade:
    token, text = Changes("api").create_token(body.terms())
    return TokenMade(token=TokenOut.of(token, time.time()), text=text)


def get_token(which: str) -> TokenOut:
    return TokenOut.of(find_token(which), time.time())


def change_token(body: TokenIn, which: str) -> TokenOut:
    return TokenOut.of(Changes("api").update_token(which, lambda _: body.terms()), time.time())


def amend_token(body: TokenChange, which: str) -> TokenOut:
    return TokenOut.of(Changes("api").update_token(which, body.applied_to), time.time())


def revoke_token(body: NoBody, which: str) -> TokenOut:
    return TokenOut.of(Changes("api").revoke_token(which), time.time())


def rotate_token(body: RotateIn, which: str) -> TokenMade:
    token, text = Changes("api").rotate_token(which, body.grace_seconds)
    return TokenMade(token=TokenOut.of(token, time.time()), text=text)


def token_usage(which: str) -> UsageOut:
    token = find_token(which)
    found = usage_of(web_config(), [token], time.time())
    if found.problem is not None:
        raise Refused(f"what was used of limits is not known: {found.problem}", 503)
    return UsageOut.of(token, found.of.get(token.caller.id))


def list_alerts() -> AlertsOut:
    return AlertsOut(alerts=[AlertOut.of(told) for told in alerts_now(web_config(), time.time())])


def list_keys() -> Keys:
    return Keys(keys=[KeyOut.of(entry) for entry in key_entries()])


def set_key(body: KeyIn, name: str) -> KeyOut:
    return KeyOut.of(Changes("api").set_key(name, body.value.get_secret_value()))


def rotate_key(body: KeyIn, name: str) -> KeyOut:
    return KeyOut.of(Changes("api").rotate_key(name, body.value.get_secret_value()))


def delete_key(body: DeleteKeyIn, name: str) -> Out:
    Changes("api").delete_key(name, body.force)
    return Out()


def forget(body: ForgetIn) -> ForgottenOut:
    done = (
        Forgotten(rows=count(access().engine, body.wanted())) if body.dry_run else Changes("api").forget(body.wanted())
    )
    return ForgottenOut(**asdict(done))


def list_changes(page: PageIn) -> ChangesOut:
    found = access().audit.list(page.before, page.limit)
    return ChangesOut(changes=[ChangeOut.of(line) for line in found.lines], next=found.next)


def status() -> Status:
    config, now = web_config(), time.time()
    with access().engine.connect() as conn:
        stored = log_bytes(conn)
    return Status(
        version=version("switchman"),
        webui_security=config.webui_security,
        rules_error=config.rules.error if config.rules else None,
        stored_bytes=stored,
        waiting_records=config.queries.backlog().records,
        underway=len(config.queries.underway(now)),
        tokens=sum(token.state(now) == "active" for token in access().tokens.list()),
    )


def me() -> Me:
    found = person()
    word: Any = found.role.word
    return Me(name=found.name, role=word, how=found.how, sees_bodies=found.sees_bodies)


OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/status", "status", "How the router is", status, Status),
    Operation("GET", "/me", "me", "Who you are, and what you may", me, Me, role=Role.VIEWER),
    Operation("GET", "/tokens", "listTokens", "All API tokens", list_tokens, Tokens, paged=True),
    Operation("POST", "/tokens", "createToken", "Make a token", create_token, TokenMade, TokenIn, status=201),
    Operation("GET", "/tokens/{which}", "getToken", "One token, by its id or name", get_token, TokenOut),
    Operation("PUT", "/tokens/{which}", "changeToken", "Say anew what a token is for", change_token, TokenOut, TokenIn),
    Operation(
        *("PATCH", "/tokens/{which}", "amendToken", "Change some of what a token is for"),
        *(amend_token, TokenOut, TokenChange),
    ),
    Operation("POST", "/tokens/{which}/revoke", "revokeToken", "End a token, for good", revoke_token, TokenOut, NoBody),
    Operation(
        *("POST", "/tokens/{which}/rotate", "rotateToken", "A new text for a token"), rotate_token, TokenMade, RotateIn
    ),
    Operation("GET", "/tokens/{which}/usage", "getUsage", "What a token has used of its limits", token_usage, UsageOut),
    Operation("GET", "/alerts", "listAlerts", "Budgets that are half used up, or more", list_alerts, AlertsOut),
    Operation("GET", "/keys", "listKeys", "The providers' keys in the vault, without their values", list_keys, Keys),
    Operation("PUT", "/keys/{name}", "setKey", "Add a key to the vault", set_key, KeyOut, KeyIn, status=201),
    Operation(
        "POST", "/keys/{name}/rotate", "rotateKey", "Put another value in a key's place", rotate_key, KeyOut, KeyIn
    ),
    Operation("DELETE", "/keys/{name}", "deleteKey", "Take a key out of the vault", delete_key, Out, DeleteKeyIn),
    Operation("GET", "/rules", "getRules", "The rules file, without keys", rulesapi.get_rules, RulesOut, role=OPERATOR),
    Operation(
        *("PUT", "/rules", "saveRules", "Save the rules file", rulesapi.save_rules, SavedOut, RulesIn),
        role=OPERATOR,
        most_bytes=RULES_BYTES,
    ),
    Operation(
        *("POST", "/rules/check", "checkRules", "What the router would say", rulesapi.check_rules, CheckOut, CheckIn),
        role=OPERATOR,
        most_bytes=RULES_BYTES,
    ),
    Operation(
        *("POST", "/rules/edit", "editRules", "Change one route or alias", rulesapi.edit_rules, SavedOut, EditIn),
        role=OPERATOR,
    ),
    Operation(
        *("POST", "/rules/import", "importRules", "Take over rules", rulesapi.import_rules, SavedOut, ImportIn),
        role=OPERATOR,
        most_bytes=RULES_BYTES,
    ),
    Operation(
        *("POST", "/rules/wizard", "makeRules", "The rules that follow from answers; nothing is saved", wizard),
        *(WizardOut, WizardIn),
        role=OPERATOR,
        most_bytes=RULES_BYTES,
    ),
    Operation(
        *("GET", "/rules/export", "exportRules", "The rules as other routers have them", rulesapi.export_rules),
        ExportOut,
        role=OPERATOR,
    ),
    Operation(
        *("GET", "/rules/history", "listVersions", "Versions of the rules file", rulesapi.list_versions, VersionsOut),
        paged=True,
        role=OPERATOR,
    ),
    Operation(
        *("GET", "/rules/history/{number}", "getVersion", "A version with its text", rulesapi.get_version, VersionOut),
        role=OPERATOR,
    ),
    Operation(
        *("POST", "/rules/history/{number}/restore", "restoreVersion", "Save a version again"),
        *(rulesapi.restore_version, SavedOut, RestoreIn),
        role=OPERATOR,
    ),
    Operation(
        *("GET", "/servers", "listServers", "All servers, with their state", serversapi.list_servers, ServersOut),
        role=Role.VIEWER,
    ),
    Operation(
        *("GET", "/presets", "listPresets", "Well-known servers", serversapi.list_presets, PresetsOut), role=Role.VIEWER
    ),
    Operation(
        *("GET", "/servers/{name}", "getServer", "A server with its models", serversapi.get_server, ServerOut),
        role=Role.VIEWER,
    ),
    Operation(
        *("PUT", "/servers/{name}", "putServer", "Add or change a server", serversapi.put_server, SavedOut, ServerIn)
    ),
    Operation(
        *("DELETE", "/servers/{name}", "removeServer", "Remove a server that nothing leads to"),
        *(serversapi.remove_server, SavedOut, RemoveServerIn),
    ),
    Operation(
        *("POST", "/servers/{name}/switch", "switchServer", "Turn a server off or on"),
        *(serversapi.switch_server, SwitchOut, SwitchIn),
        role=OPERATOR,
    ),
    Operation(
        *("POST", "/servers/{name}/facts", "setFacts", "Say what a model of it costs and can do"),
        *(serversapi.set_facts, SavedOut, FactsIn),
        role=OPERATOR,
    ),
    Operation(
        *("POST", "/servers/{name}/test", "testServer", "Ask a server for its models", serversapi.test_server),
        *(TriedOut, TestIn),
        role=OPERATOR,
    ),
    Operation(
        *("POST", "/servers/{name}/ask", "askServer", "Have a model say a word, which costs tokens"),
        *(serversapi.ask_server, WordOut, AskIn),
        role=OPERATOR,
    ),
    Operation(
        *("POST", "/servers/{name}/reset", "resetServer", "Close a server's breakers in every worker"),
        *(serversapi.reset_server, Out, NoBody),
        role=OPERATOR,
    ),
    Operation(
        *("POST", "/rules/describe", "describeRules", "Rules from a sentence, as a draft", describeapi.describe_rules),
        *(describeapi.DescribedOut, describeapi.DescribeIn),
        role=OPERATOR,
    ),
    Operation(
        *("GET", "/rules/describe/{which}", "getDescribed", "How far a description is", describeapi.get_described),
        describeapi.DescribedOut,
        role=OPERATOR,
    ),
    Operation("POST", "/forget", "forget", "Remove requests from the log for good", forget, ForgottenOut, ForgetIn),
    Operation("GET", "/audit", "listChanges", "Who changed what, newest first", list_changes, ChangesOut, paged=True),
)
