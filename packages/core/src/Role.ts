/**
 * Which end of the connection we are. It decides who masks (RFC 6455 5.1).
 *
 * @since 0.1.0
 */

/**
 * `"client"` masks what it sends and takes only unmasked frames; `"server"` the reverse.
 *
 * @category models
 * @since 0.1.0
 */
export type Role = "client" | "server"
