# docker build -t switchman . && docker run --name switchman -p 1234:1234 -p 1235:1235 -v switchman:/data -e DEFAULT_UPSTREAM=http://... switchman
# docker exec switchman switchman token create --name anna --data-dir /data
FROM python:3.13-slim AS build
COPY requirements.lock /src/
RUN python -m venv /opt/switchman && /opt/switchman/bin/pip install --no-cache-dir --require-hashes -r /src/requirements.lock
COPY pyproject.toml README.md LICENSE /src/
COPY addons /src/addons
COPY webui /src/webui
COPY rules /src/rules
# The processes run with -O, and as a user who may not write their bytecode.
RUN /opt/switchman/bin/pip install --no-cache-dir --no-deps /src && /opt/switchman/bin/python -O -m compileall -q /opt/switchman

FROM python:3.13-slim
RUN useradd --create-home switchman && install -d -o switchman /data
COPY --from=build /opt/switchman /opt/switchman
USER switchman
# In a container every client comes through its network: the dashboard asks for a token (`switchman token`, JWT_SECRET).
# Each caller needs a token of its own; -e CLIENT_AUTH=NONE with -p 127.0.0.1:1234:1234 for this machine alone.
ENV LISTEN_HOST=0.0.0.0 WEBUI_SECURITY=ALWAYS_AUTH CLIENT_AUTH=TOKENS PATH=/opt/switchman/bin:$PATH
VOLUME /data
EXPOSE 1234 1235
HEALTHCHECK CMD ["/opt/switchman/bin/python", "-c", "import httpx; httpx.get('http://127.0.0.1:1234/healthz').raise_for_status()"]
ENTRYPOINT ["/opt/switchman/bin/switchman", "serve", "--data-dir", "/data"]
