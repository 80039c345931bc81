# nginx and HAProxy as Debian has them.
FROM debian:trixie-slim
RUN apt-get update && apt-get install -y --no-install-recommends nginx haproxy && rm -rf /var/lib/apt/lists/*
