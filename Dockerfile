# One image for all processes: alone it is the whole house, `script/server worker io` makes it a worker machine.
FROM debian:bookworm-slim

# Whatever Debian's updates bring is wanted.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*

RUN useradd --uid 10001 --create-home photoproc \
 && install -d -o photoproc -g photoproc /opt/photoproc /data /data/files /weights
USER 10001:10001
WORKDIR /opt/photoproc

# The packages first: they change less often than the code.
COPY --chown=photoproc requirements.txt constraints.txt ./
COPY --chown=photoproc script/setup script/
RUN PIP_NO_CACHE_DIR=1 script/setup --packages

ENV HOST=0.0.0.0 PORT=8000 PHOTO_DATA_DIR=/data U2NET_HOME=/weights
COPY --chown=photoproc . .

ARG MODELS="u2netp yunet"
RUN .venv/bin/python manage.py fetch_weights ${MODELS}

VOLUME ["/data", "/weights"]
EXPOSE 8000
HEALTHCHECK --start-period=2m --interval=30s --timeout=5s CMD \
  ["python3", "-c", "from urllib.request import Request, urlopen; urlopen(Request('http://127.0.0.1:8000/health', headers={'X-Forwarded-Proto': 'https'}))"]
CMD ["script/server"]
