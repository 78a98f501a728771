/** The programs of this workbench that tell by their status how it went. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"

/** Runs a command, and ends with status 1 where it fails: of an error that may be it tells the message, of any other where it was. */
export const runProgram = <Name extends string, Input, Context, E extends Error>(
  command: Command.Command<Name, Input, Context, E, NodeServices.NodeServices>
): void =>
  command.pipe(
    Command.run({ version: "0.1.0" }),
    Effect.tapCause(complain),
    Effect.provide(NodeServices.layer),
    NodeRuntime.runMain({ disableErrorReporting: true })
  )

const complain = (cause: Cause.Cause<Error>) => {
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure === undefined) return Console.error(Cause.pretty(cause))
  // What is wrong with the arguments has been told by then.
  return CliError.isCliError(failure.error) ? Effect.void : Console.error(failure.error.message)
}
