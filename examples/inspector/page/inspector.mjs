import { endpoint } from "../../support/page/endpoint.mjs"

/**
 * The control channel: commands go to the server, reports come from it.
 *
 * @param {{ onReport: (report: object) => void, onClose: () => void }} handlers
 * @returns {Promise<{ session: string, tell: (command: object) => void }>} once the server has named the session
 */
export const openInspector = ({ onClose, onReport }) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(endpoint("/inspect"))
    const tell = (command) => socket.send(JSON.stringify(command))
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data)
      if (message._tag === "Welcome") resolve({ session: message.session, tell })
      else onReport(message)
    })
    socket.addEventListener("close", () => {
      reject(new Error("the server does not answer"))
      onClose()
    })
  })
