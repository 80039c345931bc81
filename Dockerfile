# The product's image. Two ways to bring an application:
#   FROM this image, COPY your files to /app and set SOCKETFLEET_APP=/app/app.js; or mount them there.
# `import { defineApp } from 'socketfleet'` resolves from /app through the link in /node_modules.
FROM node:24-trixie-slim AS build
WORKDIR /opt/socketfleet
# Alone, so that a change of the sources leaves the installed packages in the cache.
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-update-notifier
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/build.ts scripts/
COPY src src
RUN node scripts/build.ts
# What no process reads at run time goes: development packages, maps, types, tests, documents.
RUN npm prune --omit=dev --ignore-scripts --no-update-notifier \
	&& find node_modules dist -type f \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -iname '*.md' \) -delete \
	&& find node_modules -type d \( -name test -o -name tests -o -name docs -o -name example -o -name examples -o -name benchmarks \) -prune -exec rm -r {} + \
	&& find node_modules -type d -empty -delete \
	&& mkdir /link && ln -s /opt/socketfleet /link/socketfleet

FROM node:24-trixie-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="socketfleet" \
	org.opencontainers.image.description="Runs a Socket.IO application as a fleet" \
	org.opencontainers.image.source="https://github.com/socketfleet/socketfleet" \
	org.opencontainers.image.licenses="MIT" \
	org.opencontainers.image.version="${VERSION}" \
	org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production
COPY --from=build /link /node_modules
COPY --from=build /opt/socketfleet/package.json /opt/socketfleet/
COPY --from=build /opt/socketfleet/node_modules /opt/socketfleet/node_modules
COPY --from=build /opt/socketfleet/dist /opt/socketfleet/dist
COPY src/demo/public /opt/socketfleet/src/demo/public
COPY src/primary/status-page/public /opt/socketfleet/src/primary/status-page/public
WORKDIR /app
# A number, so that Kubernetes can see that it is not root. The process handles its signals as PID 1; no init is needed.
USER 1000:1000
EXPOSE 3000 9464 9465 9466
ENTRYPOINT ["node", "/opt/socketfleet/dist/cli.js"]
CMD ["serve"]
