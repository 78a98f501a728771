import * as Flag from "effect/cli/Flag"

export const port = Flag.Int("port").pipe(
  Flag.withAlias("p"),
  Flag.withDescription("Port of 127.0.0.1 to listen on; 0 picks a free one"),
  Flag.withDefault(8080)
)
