/**
 * What many connections may hold together: the bytes of unfinished messages in a whole process (RFC 6455 10.4).
 *
 * @since 0.1.0
 */

/**
 * An account that decoders share. It only counts: what it may come to is each decoder's own limit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Budget {
  /** Bytes that are held now. */
  held: number
}

/**
 * An account with nothing on it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): Budget => ({ held: 0 })
