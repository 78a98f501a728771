/** nginx as a reverse proxy, where it is installed: one for any number of servers, each by its port as the first part of the path. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { existsSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { start } from "./childProcess.ts"
import { freePort } from "./freePort.ts"
import type { Address } from "./transports.ts"

const executablePath = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx"].find((path) => existsSync(path))

/** For `describe.skipIf`: without nginx its tests are reported as skipped. */
export const isMissing = executablePath === undefined

/** How nginx passes requests on. */
export interface Way {
  /** Whether the server gets the Host that the client asked for. Default: true. */
  readonly keepsHost?: boolean
  /** Whether two seconds in which the server sends nothing are too long. Default: false, a minute is. */
  readonly isImpatient?: boolean
}

export class Nginx extends Context.Service<Nginx, {
  /** Where a client finds the server. */
  readonly proxied: (server: Address, way?: Way) => Address
  /** Of the pages that come from here. */
  readonly origin: string
}>()("test/Nginx") {
  static readonly layer = Layer.effect(
    Nginx,
    Effect.gen(function*() {
      const directory = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "websocket-stream-nginx-"))),
        (directory) => Effect.promise(() => rm(directory, { recursive: true }))
      )
      const port = yield* freePort
      const file = join(directory, "nginx.conf")
      yield* Effect.promise(() => writeFile(file, configuration(port)))
      // It logs to its standard error, and says there that it is ready.
      const args = ["-p", directory, "-c", file, "-e", "stderr"]
      const nginx = yield* start("/bin/sh", ["-c", `exec "$0" "$@" 2>&1`, executablePath!, ...args])
      const lines: Array<string> = []
      // It listens before it says which events it uses.
      while (!lines.at(-1)?.includes("event method")) lines.push(yield* nginx.line)
      const host = `127.0.0.1:${port}`
      return {
        origin: `http://${host}`,
        proxied: ({ url }, { isImpatient = false, keepsHost = true } = {}) => {
          const way = isImpatient ? "impatient" : keepsHost ? "plain" : "own-host"
          return { url: `ws://${host}/${way}/${new URL(url).port}/` }
        }
      }
    })
  )
}

// In one process, so that there is nobody to be left behind. Every path is of its own directory.
const configuration = (port: number): string => `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr notice;
events {}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 127.0.0.1:${port};
    location = / {
      default_type text/html;
      return 200 "<!doctype html>";
    }
    location ~ ^/plain/(?<server>[0-9]+)/ {
      ${upgrades}
      proxy_set_header Host $http_host;
    }
    location ~ ^/own-host/(?<server>[0-9]+)/ {
      ${upgrades}
    }
    location ~ ^/impatient/(?<server>[0-9]+)/ {
      ${upgrades}
      proxy_set_header Host $http_host;
      proxy_read_timeout 2s;
    }
  }
}
`

const upgrades = `
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_pass http://127.0.0.1:$server/;`
