# Yardmaster's command line with the drivers of every engine and the HTTP API, for whatever runs on: see docs/deploy.md.
# A worker image builds on it: FROM yardmaster, then COPY the worker file and its packages into /app.
FROM node:24-alpine AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc tsconfig.base.json README.md ./
COPY packages packages
# The sources are built here: nothing of the machine's own node_modules gets in.
RUN npm ci --ignore-scripts --no-audit --no-fund && npm pack -w yardmaster --pack-destination /tmp

FROM node:24-alpine
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /tmp/yardmaster-*.tgz /tmp/
RUN npm init -y >/dev/null \
  && npm install --omit=dev --no-audit --no-fund /tmp/yardmaster-*.tgz @redis/client@6 pg@8 amqplib@2 \
    fastify@5 fastify-type-provider-zod@7 @fastify/rate-limit@11 @fastify/swagger@9 zod@4 \
  && npm cache clean --force \
  && rm /tmp/yardmaster-*.tgz \
  && mkdir /data && chown node:node /data
ENV PATH=/app/node_modules/.bin:$PATH YARDMASTER_URL=sqlite:/data/yard.db YARDMASTER_LOG_FORMAT=json
USER node
VOLUME /data
# Ends with 4 where the engine does not answer.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ["yardmaster", "doctor"]
# What it is told to run gets SIGTERM itself, and has the time that the orchestrator gives it.
ENTRYPOINT ["yardmaster"]
CMD ["dispatcher"]
