import { assert } from "@effect/vitest"
import * as Budget from "@websocket-stream/core/Budget"
import type * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as MessageDecoder from "@websocket-stream/core/MessageDecoder"
import type * as ProtocolError from "@websocket-stream/core/ProtocolError"
import * as Result from "effect/Result"

/** A decoder that no limit stops unless told otherwise. */
export const makeDecoder = (options?: Partial<MessageDecoder.Options>): MessageDecoder.MessageDecoder =>
  MessageDecoder.make({
    maxMessageSize: Number.MAX_SAFE_INTEGER,
    maxFragments: Number.MAX_SAFE_INTEGER,
    maxHeldBytes: Number.MAX_SAFE_INTEGER,
    budget: Budget.make(),
    ...options
  })

export interface Assembling {
  readonly messages: ReadonlyArray<MessageDecoder.Assembled>
  /** Why it failed, and at which part. */
  readonly failure: ProtocolError.Reason | undefined
  readonly failedAt: number | undefined
}

/** What the parts come to, up to the failure if there is one. */
export const assemble = (
  parts: ReadonlyArray<FrameDecoder.FramePart>,
  decoder: MessageDecoder.MessageDecoder,
  inPieces?: boolean
): Assembling => {
  const messages: Array<MessageDecoder.Assembled> = []
  for (const [i, part] of parts.entries()) {
    const answer = decoder.receive(part, inPieces)
    if (Result.isFailure(answer)) return { messages, failure: answer.failure.reason, failedAt: i }
    if (answer.success !== undefined) messages.push(answer.success)
  }
  return { messages, failure: undefined, failedAt: undefined }
}

/** The same, for parts that break no rule. */
export const assembled = (
  parts: ReadonlyArray<FrameDecoder.FramePart>,
  decoder: MessageDecoder.MessageDecoder,
  inPieces?: boolean
): ReadonlyArray<MessageDecoder.Assembled> => {
  const { failure, messages } = assemble(parts, decoder, inPieces)
  assert.isUndefined(failure)
  return messages
}

/** Messages to compare: quick for long ones, and short where a test fails. */
export const readableMessages = (messages: ReadonlyArray<MessageDecoder.Assembled>) =>
  messages.map((message) => ({ ...message, payload: Buffer.from(message.payload).toString("latin1") }))
