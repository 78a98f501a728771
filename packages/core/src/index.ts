/**
 * The WebSocket protocol, pure: bytes in, plain data out.
 *
 * @since 0.1.0
 */
export * as Budget from "./Budget.ts"
export * as Close from "./Close.ts"
export * as CloseCode from "./CloseCode.ts"
export * as Connection from "./Connection.ts"
export * as EncodeError from "./EncodeError.ts"
export * as Frame from "./Frame.ts"
export * as FrameDecoder from "./FrameDecoder.ts"
export * as HandshakeError from "./HandshakeError.ts"
export * as Limits from "./Limits.ts"
export * as Masking from "./Masking.ts"
export * as Message from "./Message.ts"
export * as MessageDecoder from "./MessageDecoder.ts"
export * as Opcode from "./Opcode.ts"
export * as OpeningHandshake from "./OpeningHandshake.ts"
export * as OptionError from "./OptionError.ts"
export * as Origin from "./Origin.ts"
export * as PermessageDeflate from "./PermessageDeflate.ts"
export * as ProtocolError from "./ProtocolError.ts"
export * as Role from "./Role.ts"
export * as Utf8 from "./Utf8.ts"
