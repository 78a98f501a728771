/** Reads and writes that fail, without a stack: as a connection's events find out, or each time that one polls. */
import * as Exit from "effect/Exit"
import { ReadError, WriteError } from "../WebsocketError.ts"
import { untraced } from "./untraced.ts"

export const failedRead = (reason: ReadError["reason"]): Exit.Exit<never, ReadError> =>
  Exit.fail(untraced(() => new ReadError({ reason })))

export const failedWrite = (reason: WriteError["reason"]): Exit.Exit<never, WriteError> =>
  Exit.fail(untraced(() => new WriteError({ reason })))
