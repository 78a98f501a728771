import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import type { NodeServices as Services } from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** Runs a command: an error is one line on standard error and status 1; Ctrl-C and SIGTERM are a clean end, status 0. */
export const runMain = <Name extends string, Input, Context, E extends Error>(
  command: Command.Command<Name, Input, Context, E, Services>
): void =>
  command.pipe(
    Command.run({ version: "0.1.0" }),
    // What is wrong with the arguments has been told by then.
    Effect.tapError((error) => CliError.isCliError(error) ? Effect.void : Console.error(messageOf(error))),
    Effect.provide(NodeServices.layer),
    NodeRuntime.runMain({
      disableErrorReporting: true,
      teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? 0 : 1)
    })
  )

// Effect's own errors say that something failed, and their cause says what.
const messageOf = ({ cause, message }: Error): string =>
  (cause instanceof Error ? cause.message : message).replaceAll(/\s*\n\s*/g, " ")
