import type { Target } from "./target.ts"
import * as Connections from "./targets/connections.ts"
import * as Extensions from "./targets/extensions.ts"
import * as Frames from "./targets/frames.ts"
import * as Handshake from "./targets/handshake.ts"
import * as Inflate from "./targets/inflate.ts"
import * as Messages from "./targets/messages.ts"

/** All there are, each with inputs of its own. */
export const targets: ReadonlyArray<Target<any>> = [
  Frames.target,
  Messages.target,
  Handshake.target,
  Extensions.target,
  Inflate.target,
  Connections.target
]
