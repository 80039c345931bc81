# nginx and HAProxy as Debian has them.
FROM debian:trixie-slim
RUN apt-get -o Acquire::Retries=3 update && apt-get -o Acquire::Retries=3 install -y --no-install-recommends nginx haproxy && rm -rf /var/lib/apt/lists/*
