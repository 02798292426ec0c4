# One image for all processes of myhealth; deploy/entrypoint has the commands.
ARG BASE=python:3.13.16-slim-trixie@sha256:bf44cdfcb76cd3b41e879bc058fc37ec5872002ccfde7fcb765e218cde0cd79c

FROM ${BASE} AS build
# Bytecode is compiled below, and validated by content: file times would make builds differ.
ENV PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv --without-pip /opt/venv
COPY requirements.txt /tmp/requirements.txt
RUN pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: \
    --no-compile -r /tmp/requirements.txt
COPY . /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH STATIC_ROOT=/app/staticfiles
RUN python manage.py collectstatic --noinput --verbosity 0 --ignore redoc \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib /app

FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="myhealth" \
      org.opencontainers.image.description="Collects sleep, activity and readiness from Oura." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
# A running service installs nothing.
RUN python -m pip uninstall --yes --quiet --root-user-action ignore pip \
    && rm -r "$(python -c 'import ensurepip; print(ensurepip.__path__[0])')"
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STATIC_ROOT=/app/staticfiles \
    HOME=/tmp
WORKDIR /app
# A number, so that Kubernetes can check that it is not root.
USER 10001:10001
EXPOSE 8000 8001
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "/app/deploy/image/healthcheck.py"]
ENTRYPOINT ["/app/deploy/entrypoint"]
