import { assert, describe, it } from "@effect/vitest"
import * as Message from "@websocket-stream/core/Message"
import * as Opcode from "@websocket-stream/core/Opcode"
import { text, utf8 } from "./support/messages.ts"

describe("Message", { timeout: 60_000 }, () => {
  it.prop("a text is its bytes, and the bytes are the text", { text }, ({ text }) => {
    const message = Message.text(text)
    assert.deepStrictEqual(message.payload, utf8(text))
    assert.strictEqual(message.text, text)
    assert.strictEqual(new Message.Text(utf8(text)).text, text)
  })

  it("a byte order mark is part of the text, and half a surrogate pair becomes U+FFFD", () => {
    assert.strictEqual(Message.text("\ufeffa").text, "\ufeffa")
    assert.strictEqual(Message.text("a\ud800").text, "a\ufffd")
  })

  it("a text is decoded when it is asked for, and once", () => {
    const message = Message.text("first")
    message.payload.set(utf8("other"))
    assert.strictEqual(message.text, "other")
    message.payload.set(utf8("third"))
    assert.strictEqual(message.text, "other")
    // An empty text, which is falsy, too.
    assert.strictEqual(Message.text("").text, "")
  })

  it("bytes are kept, not copied", () => {
    const payload = Uint8Array.of(1, 2)
    assert.strictEqual(Message.binary(payload).payload, payload)
    assert.strictEqual(Message.fromPayload(Opcode.Binary, payload).payload, payload)
    assert.strictEqual(Message.fromPayload(Opcode.Text, payload).payload, payload)
  })

  it("knows its kind", () => {
    const payload = utf8("a")
    for (
      const [message, tag, opcode] of [
        [Message.text("a"), "Text", Opcode.Text],
        [Message.fromPayload(Opcode.Text, payload), "Text", Opcode.Text],
        [Message.binary(payload), "Binary", Opcode.Binary],
        [Message.fromPayload(Opcode.Binary, payload), "Binary", Opcode.Binary]
      ] as const
    ) {
      assert.strictEqual(message._tag, tag)
      assert.strictEqual(message.opcode, opcode)
      assert.isTrue(Message.isMessage(message))
    }
  })

  it("is told from other values", () => {
    for (const value of [undefined, null, "Text", utf8("a"), { _tag: "Text", payload: utf8("a") }]) {
      assert.isFalse(Message.isMessage(value))
    }
  })
})
