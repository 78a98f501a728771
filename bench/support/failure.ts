import * as Data from "effect/Data"

/** What kept a benchmark from being run, and what to do about it. */
export class Failure extends Data.TaggedError("Failure")<{ readonly message: string }> {}
