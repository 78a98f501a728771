/**
 * Makes an error without a stack. In an event of a connection a stack would name nobody who could help, and it costs 6 to 14
 * microseconds and a kilobyte and a half: an eighth of what it takes to open a connection and to close it.
 */
export const untraced = <A>(make: () => A): A => {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return make()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}
