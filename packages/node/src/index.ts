/**
 * WebSockets for Effect on Node.
 *
 * @since 0.1.0
 */
export * as Websocket from "./Websocket.ts"
export * as WebsocketClient from "./WebsocketClient.ts"
export * as WebsocketError from "./WebsocketError.ts"
export * as WebsocketStream from "./WebsocketStream.ts"
export * as WebsocketUpgrade from "./WebsocketUpgrade.ts"
