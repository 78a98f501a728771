/**
 * A connection to the chat that is made again when it is lost: at first after half a second, then after ever longer. It is lost, too,
 * when nothing comes: a page can send no pings, and of a server or a network that is gone without a word the browser knows nothing.
 *
 * @param {URL} url
 * @param {{
 *   onOpen: () => void,
 *   onMessage: (message: object) => void,
 *   onLost: (retryIn: number) => void,
 *   onEnd: (code: number, reason: string) => void
 * }} handlers `retryIn` is in milliseconds; after `onEnd` there is no further attempt
 * @returns {{ send: (message: object) => void, close: () => void }}
 */
export const connect = (url, { onEnd, onLost, onMessage, onOpen }) => {
  let socket
  let retry
  let silence
  let attempts = 0
  let isOver = false

  const dial = () => {
    const abandoned = new AbortController()
    const { signal } = abandoned
    const awaitNext = () => {
      clearTimeout(silence)
      silence = setTimeout(() => {
        // Its own end would wait for the server.
        abandoned.abort()
        socket.close()
        dialAgain()
      }, longestSilence)
    }
    socket = new WebSocket(url)
    awaitNext()
    socket.addEventListener("open", onOpen, { signal })
    socket.addEventListener("message", ({ data }) => {
      awaitNext()
      // Not as soon as it is open: a server that takes connections and ends them is not to be pressed.
      attempts = 0
      onMessage(JSON.parse(data))
    }, { signal })
    socket.addEventListener("close", ({ code, reason }) => {
      clearTimeout(silence)
      // Closed before it was open, it has no code that would say so.
      if (isOver) return onEnd(1000, "")
      if (finalCodes.has(code)) return onEnd(code, reason)
      dialAgain()
    }, { signal })
  }

  const dialAgain = () => {
    socket = undefined
    const wait = delay(attempts++)
    onLost(wait)
    retry = setTimeout(dial, wait)
  }
  dial()

  return {
    send: (message) => socket.send(JSON.stringify(message)),
    close: () => {
      isOver = true
      clearTimeout(retry)
      clearTimeout(silence)
      // Who waits for the next attempt has nothing to close.
      if (socket === undefined) onEnd(1000, "")
      else socket.close(1000)
    }
  }
}

/** Refused: the same would be refused again. */
const finalCodes = new Set([1003, 1007, 1008, 1009])

// The server says something once a second, from the welcome on.
const longestSilence = 10_000

const firstDelay = 500
const longestDelay = 15_000

// Up to a half less, so that pages that lost the same server do not come back all at once.
const delay = (attempts) => Math.min(firstDelay * 2 ** attempts, longestDelay) * (1 - Math.random() / 2)
