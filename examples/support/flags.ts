import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"

export const port = Flag.Int("port").pipe(
  Flag.withAlias("p"),
  Flag.withDescription("Port of 127.0.0.1 to listen on; 0 picks a free one; without it the variable PORT, else 8080"),
  Flag.withFallbackConfig(Config.Int("PORT")),
  Flag.withDefault(8080),
  Flag.filter((port) => port >= 0 && port <= 65_535, (port) => `Expected a port from 0 to 65535, got ${port}`)
)

export const maxMessageSize = Flag.Int("max-message-size").pipe(
  Flag.withDescription("The largest message to take, in bytes"),
  Flag.withDefault(64 * 1024 * 1024)
)
