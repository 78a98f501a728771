/**
 * WebSockets for Effect on Node.
 *
 * @since 0.1.0
 */
export * as Websocket from "./Websocket.ts"
export * as WebsocketClient from "./WebsocketClient.ts"
export * as WebsocketError from "./WebsocketError.ts"
export * as WebsocketHttpServer from "./WebsocketHttpServer.ts"
export * as WebsocketMetrics from "./WebsocketMetrics.ts"
export * as WebsocketRequest from "./WebsocketRequest.ts"
export * as WebsocketServer from "./WebsocketServer.ts"
export * as WebsocketSocket from "./WebsocketSocket.ts"
export * as WebsocketStream from "./WebsocketStream.ts"
export * as WebsocketUpgrade from "./WebsocketUpgrade.ts"
